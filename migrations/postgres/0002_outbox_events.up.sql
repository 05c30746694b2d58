-- SPDX-License-Identifier: MIT
CREATE TABLE outbox_events (
    id             uuid         PRIMARY KEY,
    aggregate_type varchar(255) NOT NULL,
    aggregate_id   varchar(255) NOT NULL,
    event_type     varchar(255) NOT NULL,
    event_data     jsonb        NOT NULL,
    status         varchar(50)  NOT NULL DEFAULT 'NEW'
                   CHECK (status IN ('NEW', 'PROCESSING', 'SENT', 'FAILED')),
    topic          varchar(255) NOT NULL,
    partition_key  varchar(255),
    created_at     timestamptz  NOT NULL DEFAULT clock_timestamp(),
    processed_at   timestamptz,
    retry_count    integer      NOT NULL DEFAULT 0,
    max_retries    integer      NOT NULL DEFAULT 3,
    error_message  text,
    -- Order of writing. A cache above 1 would break it across sessions.
    seq            bigint       GENERATED ALWAYS AS IDENTITY (CACHE 1),
    xid            xid8         NOT NULL DEFAULT pg_current_xact_id(),
    lane           smallint     NOT NULL DEFAULT 0,
    headers        jsonb        NOT NULL DEFAULT '{}',
    -- A NEW row is due from here on.
    available_at   timestamptz  NOT NULL DEFAULT clock_timestamp(),
    claimed_at     timestamptz,
    claimed_by     uuid
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE INDEX outbox_events_due ON outbox_events (seq) WHERE status = 'NEW';
CREATE INDEX outbox_events_claimed ON outbox_events (seq) WHERE status = 'PROCESSING';
-- A predicate that the planner sees through lets it take outbox_events_due instead, as soon as its
-- statistics are behind: then each row of a claim costs a pass over the whole backlog. Queries must
-- repeat these words exactly.
CREATE INDEX outbox_events_held ON outbox_events (partition_key)
    WHERE CASE WHEN status = 'PROCESSING' THEN true END;
CREATE INDEX outbox_events_waiting ON outbox_events (partition_key, available_at)
    WHERE CASE WHEN status = 'NEW' AND retry_count > 0 THEN true END;
CREATE INDEX outbox_events_window ON outbox_events (lane, xid);
CREATE UNIQUE INDEX outbox_events_seq ON outbox_events (seq);
