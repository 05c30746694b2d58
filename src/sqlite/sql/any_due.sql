-- SPDX-License-Identifier: MIT
-- A look that takes no lock: an idle relay must not keep writers waiting. ?1: now in milliseconds.
SELECT 1 FROM outbox_events WHERE status = 'NEW' AND available_at <= ?1 LIMIT 1
