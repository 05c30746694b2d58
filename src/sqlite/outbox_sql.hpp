// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_SQLITE_OUTBOX_SQL_HPP
#define RESILIENCE_SRC_SQLITE_OUTBOX_SQL_HPP

/// The statements of the outbox source and of the inbox: each is a file of
/// src/sqlite/sql/, which says what it does, why it is written so, and what its
/// parameters are.
namespace resilience::sqlite::sql {

extern const char* const any_due;
extern const char* const apply_verdicts;
extern const char* const claim_due;
extern const char* const free_stale;
extern const char* const free_stale_row;
extern const char* const give_up;
extern const char* const inbox_prune;
extern const char* const inbox_take;
extern const char* const measure;
extern const char* const next_due;
extern const char* const stale_rows;

}  // namespace resilience::sqlite::sql

#endif
