-- SPDX-License-Identifier: MIT
-- Settles how long the session of an instance's lanes lasts: it is never ended for being idle, and
-- ends soon when the machine at its other end has gone without a word, about 10 s after its last one.
-- Some servers do not know each of the settings.
SELECT set_config(name, value, false)
FROM (VALUES ('idle_session_timeout', '0'),
             ('tcp_keepalives_idle', '4'),
             ('tcp_keepalives_interval', '2'),
             ('tcp_keepalives_count', '3'),
             ('tcp_user_timeout', '10000')) wanted (name, value)
WHERE EXISTS (SELECT FROM pg_settings known WHERE known.name = wanted.name)
