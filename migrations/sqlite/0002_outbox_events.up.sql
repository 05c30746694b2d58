-- SPDX-License-Identifier: MIT
-- Times are text in UTC, such as 2026-01-31T23:59:59.123456Z, so that they sort as they are;
-- available_at and claimed_at are milliseconds since 1970, so that they can be counted with.
CREATE TABLE outbox_events (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    aggregate_type TEXT NOT NULL,
    aggregate_id   TEXT NOT NULL,
    event_type     TEXT NOT NULL,
    event_data     TEXT NOT NULL CHECK (json_valid(event_data)),
    status         TEXT NOT NULL DEFAULT 'NEW'
                   CHECK (status IN ('NEW', 'PROCESSING', 'SENT', 'FAILED')),
    topic          TEXT NOT NULL,
    partition_key  TEXT,
    created_at     TEXT NOT NULL,
    processed_at   TEXT,
    retry_count    INTEGER NOT NULL DEFAULT 0,
    max_retries    INTEGER NOT NULL DEFAULT 3,
    error_message  TEXT,
    lane           INTEGER NOT NULL DEFAULT 0,
    headers        TEXT NOT NULL DEFAULT '{}',
    available_at   INTEGER NOT NULL DEFAULT 0,
    claimed_at     INTEGER,
    claimed_by     TEXT
) STRICT;

CREATE INDEX outbox_events_due ON outbox_events (seq) WHERE status = 'NEW';
CREATE INDEX outbox_events_held ON outbox_events (partition_key, seq) WHERE status = 'PROCESSING';
CREATE INDEX outbox_events_waiting ON outbox_events (partition_key, seq)
    WHERE status = 'NEW' AND retry_count > 0;
