// SPDX-License-Identifier: MIT
#include <resilience/sqlite/result_code.hpp>

#include <doctest/doctest.h>

using namespace resilience;
using sqlite::errc_of_result_code;

// The numbers are those of SQLite's documentation: they are part of its file format's
// promise and this test needs no header of it.
TEST_CASE("each result code of SQLite has its meaning") {
    struct Line {
        int code;
        Errc meaning;
    };
    constexpr Line table[] = {
        {1, Errc::invalid_request},           // SQLITE_ERROR
        {2, Errc::internal},                  // SQLITE_INTERNAL
        {3, Errc::access_denied},             // SQLITE_PERM
        {4, Errc::serialization_conflict},    // SQLITE_ABORT
        {516, Errc::serialization_conflict},  // SQLITE_ABORT_ROLLBACK
        {5, Errc::timed_out},                 // SQLITE_BUSY
        {261, Errc::timed_out},               // SQLITE_BUSY_RECOVERY
        {517, Errc::serialization_conflict},  // SQLITE_BUSY_SNAPSHOT
        {773, Errc::timed_out},               // SQLITE_BUSY_TIMEOUT
        {6, Errc::serialization_conflict},    // SQLITE_LOCKED
        {262, Errc::serialization_conflict},  // SQLITE_LOCKED_SHAREDCACHE
        {7, Errc::unavailable},               // SQLITE_NOMEM
        {8, Errc::storage_full},              // SQLITE_READONLY
        {264, Errc::storage_full},            // SQLITE_READONLY_RECOVERY
        {1032, Errc::storage_full},           // SQLITE_READONLY_DBMOVED
        {1544, Errc::storage_full},           // SQLITE_READONLY_DIRECTORY
        {9, Errc::cancelled},                 // SQLITE_INTERRUPT
        {10, Errc::storage_full},             // SQLITE_IOERR
        {266, Errc::storage_full},            // SQLITE_IOERR_READ
        {778, Errc::storage_full},            // SQLITE_IOERR_WRITE
        {1034, Errc::storage_full},           // SQLITE_IOERR_FSYNC
        {3082, Errc::unavailable},            // SQLITE_IOERR_NOMEM
        {11, Errc::corrupt_data},             // SQLITE_CORRUPT
        {267, Errc::corrupt_data},            // SQLITE_CORRUPT_VTAB
        {13, Errc::storage_full},             // SQLITE_FULL
        {14, Errc::unavailable},              // SQLITE_CANTOPEN
        {526, Errc::unavailable},             // SQLITE_CANTOPEN_ISDIR
        {15, Errc::serialization_conflict},   // SQLITE_PROTOCOL
        {17, Errc::serialization_conflict},   // SQLITE_SCHEMA
        {18, Errc::too_large},                // SQLITE_TOOBIG
        {19, Errc::invalid_request},          // SQLITE_CONSTRAINT
        {275, Errc::invalid_request},         // SQLITE_CONSTRAINT_CHECK
        {787, Errc::invalid_request},         // SQLITE_CONSTRAINT_FOREIGNKEY
        {1299, Errc::invalid_request},        // SQLITE_CONSTRAINT_NOTNULL
        {1555, Errc::already_exists},         // SQLITE_CONSTRAINT_PRIMARYKEY
        {2067, Errc::already_exists},         // SQLITE_CONSTRAINT_UNIQUE
        {2579, Errc::already_exists},         // SQLITE_CONSTRAINT_ROWID
        {3091, Errc::invalid_request},        // SQLITE_CONSTRAINT_DATATYPE
        {20, Errc::invalid_request},          // SQLITE_MISMATCH
        {21, Errc::internal},                 // SQLITE_MISUSE
        {23, Errc::access_denied},            // SQLITE_AUTH
        {24, Errc::corrupt_data},             // SQLITE_FORMAT
        {25, Errc::invalid_request},          // SQLITE_RANGE
        {26, Errc::corrupt_data},             // SQLITE_NOTADB
        {99, Errc::internal},                 // none of theirs
    };
    for (const auto& [code, meaning] : table) {
        CAPTURE(code);
        CHECK(errc_of_result_code(code) == meaning);
    }
}

TEST_CASE("SQLite tells in words alone that a table does not exist") {
    CHECK(errc_of_result_code(1, "no such table: users") == Errc::bad_destination);
    CHECK(errc_of_result_code(1, "no such column: users") == Errc::invalid_request);
    CHECK(errc_of_result_code(1, "near \"no such table: \"") == Errc::invalid_request);
    CHECK(errc_of_result_code(10, "no such table: users") == Errc::storage_full);
}
