-- SPDX-License-Identifier: MIT
-- Settles how the statements that follow in this transaction are planned.
--
-- An outbox changes faster than its statistics: a plan made for an empty table, or for one whose
-- rows were all SENT, would read the whole table each time. Every statement has a partial index.
SELECT set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
