// SPDX-License-Identifier: MIT
#include <resilience/sqlite/result_code.hpp>

#include <sqlite3.h>

namespace resilience::sqlite {

Errc errc_of_result_code(int code, std::string_view text) noexcept {
    switch (code) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return Errc::already_exists;
        case SQLITE_BUSY_SNAPSHOT:
            return Errc::serialization_conflict;
        case SQLITE_IOERR_NOMEM:
            return Errc::unavailable;
        default:
            break;
    }
    switch (code & 0xff) {
        case SQLITE_FULL:
        case SQLITE_READONLY:
        case SQLITE_IOERR:
            return Errc::storage_full;
        case SQLITE_BUSY:
            return Errc::timed_out;
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
        case SQLITE_SCHEMA:
        case SQLITE_ABORT:
            return Errc::serialization_conflict;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
            return Errc::corrupt_data;
        case SQLITE_CANTOPEN:
        case SQLITE_NOMEM:
            return Errc::unavailable;
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return Errc::access_denied;
        case SQLITE_TOOBIG:
            return Errc::too_large;
        case SQLITE_INTERRUPT:
            return Errc::cancelled;
        case SQLITE_ERROR:
            return text.starts_with("no such table: ") ? Errc::bad_destination
                                                       : Errc::invalid_request;
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
            return Errc::invalid_request;
        default:
            return Errc::internal;
    }
}

}  // namespace resilience::sqlite
