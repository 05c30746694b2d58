-- SPDX-License-Identifier: MIT
-- Takes the words about parkings of lane $2 of the outbox $1: each is acted on once or not at all.
DELETE FROM outbox_unparks WHERE outbox = $1 AND lane = $2 RETURNING topic, key, since, events
