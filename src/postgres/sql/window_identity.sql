-- SPDX-License-Identifier: MIT
-- Where the rows are: whether the server is a standby, then the identity of the source, then
-- whether its sequence gives ascending numbers to whoever asks later.
--
-- The functions that speak of the log are refused by a standby; CASE keeps them unasked there. The
-- timeline in use is the first part of the name of the log's file; what the control file says of it
-- is as old as the last checkpoint. A sequence with a cache hands numbers out to a session ahead of
-- their use, so a later writer of a key could get the smaller number (I5).
SELECT pg_is_in_recovery(),
       (SELECT system_identifier FROM pg_control_system()),
       CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END,
       (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
       to_regclass('outbox_events')::oid::bigint,
       (SELECT seqcache FROM pg_sequence
        WHERE seqrelid = pg_get_serial_sequence('outbox_events', 'seq')::regclass),
       (SELECT seqincrement > 0 AND NOT seqcycle FROM pg_sequence
        WHERE seqrelid = pg_get_serial_sequence('outbox_events', 'seq')::regclass)
