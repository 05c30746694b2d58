-- SPDX-License-Identifier: MIT
-- Settles how the statements of a session that reads windows are planned, for as long as it lasts.
--
-- An outbox changes faster than its statistics: a plan made for an empty table would read the whole
-- of it each time. Every statement has an index, and one plan serves it for ever. Nor does a poll of
-- some microseconds bear to be compiled, or to leave behind what serializable transactions need.
SELECT set_config('enable_seqscan', 'off', false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('jit', 'off', false),
       set_config('default_transaction_isolation', 'read committed', false)
