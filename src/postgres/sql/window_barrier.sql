-- SPDX-License-Identifier: MIT
-- Keeps relays from claiming rows, for as long as the session lasts; returns whether it does. The
-- lock is that of claim_lock, shared by all who read windows.
--
-- One that claims at this moment, or waits for its turn, is not waited for: it would wait for
-- this session again and again.
SELECT pg_try_advisory_lock_shared(1920165985, 'outbox_events'::regclass::oid::int)
