-- SPDX-License-Identifier: MIT
-- What was delivered: $1 the lanes, then arrays of equal length: $2 their `seen`, $3 their `window`,
-- $4 their `last_seq`. $5: the table's oid.
--
-- Whether these positions speak of this table's history stands beside each, and nothing is looked at
-- unless it does (I11): the statement could have come to a table that was made anew, or to a server
-- that has not come as far.
delivered AS MATERIALIZED (
    SELECT lane, seen, shown, last_seq,
           bool_and(pg_snapshot_xmax(shown) <= pg_snapshot_xmax(pg_current_snapshot())
                    AND pg_snapshot_xmax(seen) <= pg_snapshot_xmax(shown)
                    AND coalesce(to_regclass('outbox_events')::oid::bigint, 0) = $5::bigint)
               OVER () AS goes_on
    FROM (SELECT l.lane, l.seen::pg_snapshot AS seen, l.shown::pg_snapshot AS shown, l.last_seq
          FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
               AS l(lane, seen, shown, last_seq)) positions
)
