-- SPDX-License-Identifier: MIT
DELETE FROM outbox_unparks;
ALTER TABLE outbox_unparks
    DROP CONSTRAINT outbox_unparks_pkey,
    ADD PRIMARY KEY (lane, since),
    DROP COLUMN outbox,
    DROP COLUMN topic,
    DROP COLUMN key;
