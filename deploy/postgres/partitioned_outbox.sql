-- SPDX-License-Identifier: MIT
-- Makes an empty table outbox_events one of partitions by `seq`, as docs/delivery-report.md tells.
-- psql --single-transaction --file=partitioned_outbox.sql
DO $$
BEGIN
    LOCK TABLE outbox_events IN ACCESS EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM outbox_events) THEN
        RAISE EXCEPTION 'outbox_events has rows: only an empty one is made anew';
    END IF;
END $$;

ALTER TABLE outbox_events RENAME TO outbox_events_whole;
-- The key of partitions is in each key that is unique.
CREATE TABLE outbox_events (
    LIKE outbox_events_whole INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING IDENTITY,
    PRIMARY KEY (id, seq)
) PARTITION BY RANGE (seq);
DROP TABLE outbox_events_whole;

CREATE INDEX outbox_events_due ON outbox_events (seq) WHERE status = 'NEW';
CREATE INDEX outbox_events_claimed ON outbox_events (seq) WHERE status = 'PROCESSING';
CREATE INDEX outbox_events_held ON outbox_events (partition_key)
    WHERE CASE WHEN status = 'PROCESSING' THEN true END;
CREATE INDEX outbox_events_waiting ON outbox_events (partition_key, available_at)
    WHERE CASE WHEN status = 'NEW' AND retry_count > 0 THEN true END;
CREATE INDEX outbox_events_window ON outbox_events (lane, xid);
CREATE UNIQUE INDEX outbox_events_seq ON outbox_events (seq);

-- Takes the rows for which no other partition has been made, so that no writer is ever refused.
CREATE TABLE outbox_events_rest PARTITION OF outbox_events DEFAULT
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE VIEW outbox_partitions AS
    SELECT inhrelid::regclass AS name,
           substring(pg_get_expr(relpartbound, inhrelid) FROM 'TO \(''(\d+)''\)')::bigint AS upto
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'outbox_events'::regclass;

-- Makes partitions of `width` rows for the next `ahead` times as many, and drops those that are behind and empty.
-- Returns how many it dropped; one that is in use for longer than the wait for its lock is left to the next call.
CREATE FUNCTION keep_outbox_partitions(width bigint, ahead bigint) RETURNS bigint
LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
DECLARE
    given   bigint := coalesce(pg_sequence_last_value(
                pg_get_serial_sequence('outbox_events', 'seq')::regclass), 0);
    next    bigint;
    name    text;
    part    record;
    first   bigint;
    dropped bigint := 0;
BEGIN
    -- Under an older snapshot a partition could look empty that is not.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'keep_outbox_partitions is called in a transaction that is read committed';
    END IF;
    SELECT coalesce(max(upto), 1) INTO next FROM outbox_partitions;
    -- What there is of the rest stays there.
    IF next <= given THEN next := given + width; END IF;
    BEGIN
        WHILE next <= given + ahead * width LOOP
            name := 'outbox_events_' || next;
            EXECUTE format(
                'CREATE TABLE %I (LIKE outbox_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 80, '
                'autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)', name);
            -- Unlike a table that is made as a partition, this keeps no writer waiting.
            EXECUTE format(
                'ALTER TABLE outbox_events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                name, next, next + width);
            next := next + width;
        END LOOP;
    EXCEPTION WHEN lock_not_available THEN
        RAISE NOTICE 'no partition was made: outbox_events is in use';
    END;

    FOR part IN SELECT * FROM outbox_partitions WHERE upto <= given ORDER BY upto LOOP
        EXECUTE format('SELECT min(seq) FROM %s', part.name) INTO first;
        CONTINUE WHEN first IS NOT NULL;
        BEGIN
            -- Once it is granted nobody writes who has his number already (I9).
            LOCK TABLE outbox_events IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('SELECT min(seq) FROM %s', part.name) INTO first;
            IF first IS NULL THEN
                EXECUTE format('DROP TABLE %s', part.name);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            RAISE NOTICE 'partitions are left: outbox_events is in use';
            RETURN dropped;
        END;
    END LOOP;
    RETURN dropped;
END $$;

SELECT keep_outbox_partitions(5000000, 2);
