-- SPDX-License-Identifier: MIT
-- What makes a held row NEW again, for an UPDATE's SET.
status = 'NEW', claimed_at = NULL, claimed_by = NULL
