-- SPDX-License-Identifier: MIT
-- Settles how the statements of a session that reports are committed, besides window_session: on
-- this server's disk, whatever the role's own setting is, so that what was reported stays; no
-- standby is waited for.
SELECT set_config('synchronous_commit', 'local', false)
