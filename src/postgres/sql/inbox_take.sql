-- SPDX-License-Identifier: MIT
-- Touches no row if the event was taken before. $1: the consumer. $2: the event.
INSERT INTO inbox_events (consumer, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
