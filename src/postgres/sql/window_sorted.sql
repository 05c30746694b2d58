-- SPDX-License-Identifier: MIT
-- The next slice of a window (Q2): its rows by ascending seq (I3, I5). $1 to $4: see window_rows. $5:
-- most bytes. $6: most rows. $7: most rows that are sorted.
--
-- A window of more than $7 rows would be sorted anew for each slice; of such a window one row is
-- returned, which is not the first, and the last column tells: window_in_order is the statement for it.
WITH found AS MATERIALIZED (
    SELECT seq, bytes FROM (@window_rows@) both_kinds
    LIMIT $7::bigint + 1
),
slice AS (
    SELECT seq FROM (
        SELECT seq, @sized@
        FROM (
            SELECT seq, bytes FROM found ORDER BY seq
            LIMIT CASE WHEN (SELECT count(*) FROM found) > $7::bigint THEN 1 ELSE $6::bigint END
        ) first_rows
    ) sized WHERE before < $5::bigint
)
SELECT @event_columns@,
       (SELECT count(*) FROM found)
FROM outbox_events WHERE seq = ANY(ARRAY(SELECT seq FROM slice)) ORDER BY seq
