-- SPDX-License-Identifier: MIT
-- The first stale rows, to be freed one by one where all together are refused. ?1: see stale. The +
-- keeps SQLite from walking the table by seq.
SELECT seq FROM outbox_events
WHERE @stale@
ORDER BY +seq LIMIT 1000
