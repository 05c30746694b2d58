-- SPDX-License-Identifier: MIT
-- Rows that wait or are held, counted up to ?1 of each, and the time of the oldest.
--
-- The oldest is the first written: the times are what writers say they are, and sorting a long table
-- by them would cost a visit to each row. The + keeps SQLite from walking the table by seq until it
-- meets a row that is held.
SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'NEW' LIMIT ?1))
     + (SELECT count(*) FROM (SELECT 1 FROM outbox_events WHERE status = 'PROCESSING'
                              LIMIT ?1)),
       (SELECT created_at FROM outbox_events WHERE seq = (SELECT min(seq) FROM (
            SELECT min(seq) AS seq FROM outbox_events WHERE status = 'NEW'
            UNION ALL
            SELECT min(+seq) FROM outbox_events WHERE status = 'PROCESSING')))
