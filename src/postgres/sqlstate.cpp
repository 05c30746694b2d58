// SPDX-License-Identifier: MIT
#include <resilience/postgres/sqlstate.hpp>

#include <algorithm>
#include <iterator>

namespace resilience::postgres {
namespace {

struct Meaning {
    std::string_view prefix;
    Errc code;
};

// The longest prefix wins, so single codes stand before their class.
constexpr Meaning meanings[] = {
    // The server, not the program, ended these sessions.
    {"25P03", Errc::connection_lost},  // idle in transaction for too long
    {"25P04", Errc::connection_lost},  // transaction open for too long
    {"57P01", Errc::connection_lost},
    {"57P02", Errc::connection_lost},
    {"57P04", Errc::connection_lost},
    {"57P05", Errc::connection_lost},
    {"40003", Errc::connection_lost},  // statement completion unknown
    {"08001", Errc::unavailable},
    {"08004", Errc::unavailable},
    {"08P01", Errc::protocol_error},
    {"08", Errc::connection_lost},

    {"57P03", Errc::unavailable},  // starting up or shutting down
    {"53100", Errc::storage_full},
    {"25006", Errc::storage_full},  // read only
    {"53", Errc::unavailable},      // no connections, memory or configured limit left
    {"58", Errc::unavailable},      // the system around the server failed
    {"57014", Errc::timed_out},     // cancelled by a timeout of the server's own

    {"28", Errc::access_denied},
    {"42501", Errc::access_denied},

    {"23505", Errc::already_exists},
    {"40002", Errc::invalid_request},  // a deferred constraint
    {"40", Errc::serialization_conflict},
    {"55P03", Errc::serialization_conflict},  // a lock was not to be had

    {"02", Errc::not_found},
    {"P0002", Errc::not_found},
    {"3D", Errc::bad_destination},     // database
    {"3F", Errc::bad_destination},     // schema
    {"42P01", Errc::bad_destination},  // table

    {"54", Errc::too_large},
    {"XX001", Errc::corrupt_data},
    {"XX002", Errc::corrupt_data},
    {"XX", Errc::internal},
};

}  // namespace

Errc errc_of_sqlstate(std::string_view sqlstate) noexcept {
    if (sqlstate.size() != 5) return Errc::protocol_error;
    const auto found = std::find_if(
        std::begin(meanings),
        std::end(meanings),
        [&](const Meaning& meaning) { return sqlstate.starts_with(meaning.prefix); }
    );
    return found == std::end(meanings) ? Errc::invalid_request : found->code;
}

}  // namespace resilience::postgres
