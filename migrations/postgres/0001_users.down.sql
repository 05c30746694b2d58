-- SPDX-License-Identifier: MIT
DROP TABLE users;
