-- SPDX-License-Identifier: MIT
-- What operators say of keys whose events were put aside: a parking of a lane may end if it has so many events.
-- A relay takes a row away when it reads it.
CREATE TABLE outbox_unparks (
    lane         smallint    NOT NULL,
    since        bigint      NOT NULL,
    events       bigint      NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (lane, since)
);
