-- SPDX-License-Identifier: MIT
-- Where a backfill stands; it changes in the same transaction as the events it wrote.
CREATE TABLE backfill_runs (
    id          TEXT PRIMARY KEY,
    request     TEXT NOT NULL,
    last_seq    INTEGER NOT NULL DEFAULT 0,
    max_seq     INTEGER NOT NULL,
    emitted     INTEGER NOT NULL DEFAULT 0,
    started_at  TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    finished_at TEXT
) STRICT;

CREATE UNIQUE INDEX backfill_runs_open ON backfill_runs (request) WHERE finished_at IS NULL;
