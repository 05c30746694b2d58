-- SPDX-License-Identifier: MIT
-- Events that a consumer has taken; a row is written in the transaction of the event's effect.
CREATE TABLE inbox_events (
    consumer    varchar(255) NOT NULL,
    event_id    varchar(255) NOT NULL,
    received_at timestamptz  NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);

CREATE INDEX inbox_events_received ON inbox_events (consumer, received_at);
