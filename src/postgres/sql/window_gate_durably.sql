-- SPDX-License-Identifier: MIT
-- Makes the commit of the gate wait for this server's disk and for the standbys that commits have to
-- wait for, whatever the role's own setting is; and be told if that wait was broken off.
--
-- A commit that nobody waits for any more does not fail: the server says so in a warning alone.
SELECT set_config('client_min_messages', 'warning', true),
       CASE WHEN current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
            THEN set_config('synchronous_commit', 'on', true) END
