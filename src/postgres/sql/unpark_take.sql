-- SPDX-License-Identifier: MIT
-- Takes the words about parkings of lane $1: each is acted on once or not at all.
DELETE FROM outbox_unparks WHERE lane = $1 RETURNING since, events
