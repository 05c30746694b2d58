-- SPDX-License-Identifier: MIT
-- The next rows of a large window that lie far apart in the table: those of window_sorted, whose
-- parameters $1 to $6 it takes.
--
-- Every row of the window is looked at, but never more of them are kept than are returned.
SELECT @event_columns@
FROM outbox_events WHERE seq = ANY(ARRAY(
    SELECT seq FROM (
        SELECT seq, @sized@
        FROM (SELECT seq, bytes FROM (@window_rows@) both_kinds
              ORDER BY seq LIMIT $6::bigint) first_rows
    ) sized WHERE before < $5::bigint
)) ORDER BY seq
