-- SPDX-License-Identifier: MIT
DROP TABLE outbox_unparks;
