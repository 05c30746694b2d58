-- SPDX-License-Identifier: MIT
-- A new window (Q1): what is committed now, where the log ends, how much of it is on disk, whether
-- commits wait for a standby, and which table the rows are in.
--
-- One statement: its snapshot is taken before any of its functions is called, so the end of the log
-- covers every commit that the snapshot shows (I6). Places in the log are numbers of bytes.
SELECT pg_current_snapshot()::text,
       (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint,
       (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint,
       current_setting('synchronous_standby_names') <> '',
       coalesce(to_regclass('outbox_events')::oid::bigint, 0)
