-- SPDX-License-Identifier: MIT
-- Where a backfill stands; it changes in the same transaction as the events it wrote.
CREATE TABLE backfill_runs (
    id          uuid        PRIMARY KEY,
    request     text        NOT NULL,
    last_seq    bigint      NOT NULL DEFAULT 0,
    max_seq     bigint      NOT NULL,
    emitted     bigint      NOT NULL DEFAULT 0,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE UNIQUE INDEX backfill_runs_open ON backfill_runs (request) WHERE finished_at IS NULL;
