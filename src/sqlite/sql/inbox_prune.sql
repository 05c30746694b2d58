-- SPDX-License-Identifier: MIT
-- ?1: the consumer. ?2: the age of rows that go, as in '-1.500 seconds'. ?3: the most of them.
DELETE FROM inbox_events WHERE consumer = ?1 AND event_id IN (
    SELECT event_id FROM inbox_events
    WHERE consumer = ?1 AND received_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?2)
    ORDER BY received_at
    LIMIT ?3
)
