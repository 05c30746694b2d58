-- SPDX-License-Identifier: MIT
-- Says that the parking $2 of lane $1 may end if it has $3 events.
INSERT INTO outbox_unparks (lane, since, events) VALUES ($1, $2, $3)
ON CONFLICT (lane, since) DO UPDATE SET events = excluded.events, requested_at = now()
