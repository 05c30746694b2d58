-- SPDX-License-Identifier: MIT
-- Adds to rows with their sizes in `bytes` the column `before`: the bytes of all rows before each.
-- A slice takes what has fewer than its limit before it, so it has at least one row.
sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - bytes AS before
