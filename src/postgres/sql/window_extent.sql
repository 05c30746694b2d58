-- SPDX-License-Identifier: MIT
-- How many rows a window has, though no more than $5 are counted, and the highest seq of what was
-- counted; then the highest seq of the table. $1 to $4: see window_rows.
SELECT count(*), coalesce(max(seq), 0),
       coalesce((SELECT max(seq) FROM outbox_events), 0)
FROM (SELECT seq FROM (@window_rows@) both_kinds LIMIT $5::bigint) counted
