-- SPDX-License-Identifier: MIT
DROP TABLE inbox_events;
