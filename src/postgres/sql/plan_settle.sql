-- SPDX-License-Identifier: MIT
-- Settles how verdicts are written: by index as plan_by_index.sql says, never as a nested loop of
-- the batch with itself, and without waiting for the disk.
--
-- Verdicts that a crash of the server undoes make their events come once more. Those of one batch
-- at most: the next claim waits for the disk, and with it all that was committed before.
SELECT set_config('enable_seqscan', 'off', true),
       set_config('enable_nestloop', 'off', true),
       set_config('jit', 'off', true),
       set_config('synchronous_commit', 'off', true)
