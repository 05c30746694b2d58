-- SPDX-License-Identifier: MIT
-- The last row of the table; 0 when it is empty.
SELECT coalesce(max(seq), 0) FROM outbox_events
