-- SPDX-License-Identifier: MIT
-- Events that a consumer has taken; a row is written in the transaction of the event's effect.
CREATE TABLE inbox_events (
    consumer    TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    received_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (consumer, event_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_events_received ON inbox_events (consumer, received_at);
