-- SPDX-License-Identifier: MIT
-- Makes the commit of a claim wait for the disk, whatever the role's own setting is.
--
-- An event that was committed without waiting is flushed with it, so none is delivered that a
-- crash of the server could still take back.
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') = 'off'
