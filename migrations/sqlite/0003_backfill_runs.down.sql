-- SPDX-License-Identifier: MIT
DROP TABLE backfill_runs;
