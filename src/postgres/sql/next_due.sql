-- SPDX-License-Identifier: MIT
-- The row that a claim of one row tries to take. $1, $2, :limit: see candidates.
WITH @candidates@
SELECT seq FROM candidates
