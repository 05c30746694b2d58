-- SPDX-License-Identifier: MIT
-- Something for the gate's transaction to commit (I6): the log's order makes its commit wait for all
-- that was logged before. Touches no table, so it leaves nothing to clean. Returns its place in the
-- log, as a number of bytes.
SELECT (pg_logical_emit_message(true, 'resilience.gate', '') - '0/0'::pg_lsn)::bigint
