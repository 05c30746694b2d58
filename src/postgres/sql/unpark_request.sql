-- SPDX-License-Identifier: MIT
-- Says that the parking $3 of lane $2 of the outbox $1, that of the key $5 of topic $4, may end if it has $6 events.
INSERT INTO outbox_unparks (outbox, lane, since, topic, key, events) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (outbox, lane, since) DO UPDATE
SET topic = excluded.topic, key = excluded.key, events = excluded.events, requested_at = now()
