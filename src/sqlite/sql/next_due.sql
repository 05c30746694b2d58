-- SPDX-License-Identifier: MIT
-- The row that a claim of one row tries to take. ?1 to ?4: see candidates.
@candidates@
