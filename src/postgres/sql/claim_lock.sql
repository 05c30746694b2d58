-- SPDX-License-Identifier: MIT
-- Lets one relay claim at a time.
--
-- Two claims that begin together would look at the same first rows: the second would skip all that
-- the first has locked, and with them the later rows of their keys, and return little or nothing.
-- The statement after this one takes its snapshot when the lock is held, so it sees the rows of the
-- former holder as PROCESSING and goes on behind them. The lock belongs to the table and ends with
-- the transaction.
SELECT pg_advisory_xact_lock(1920165985, 'outbox_events'::regclass::oid::int)
