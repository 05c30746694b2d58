-- SPDX-License-Identifier: MIT
-- A word names the outbox, topic and key of its parking: when positions are lost, another parking may have its lane and
-- number. A word that does not say is none; whoever waits for its parking to end gives it again.
DELETE FROM outbox_unparks;
ALTER TABLE outbox_unparks
    ADD COLUMN outbox text NOT NULL,
    ADD COLUMN topic  text NOT NULL,
    ADD COLUMN key    text NOT NULL,
    DROP CONSTRAINT outbox_unparks_pkey,
    ADD PRIMARY KEY (outbox, lane, since);
