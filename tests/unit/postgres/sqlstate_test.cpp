// SPDX-License-Identifier: MIT
#include <resilience/postgres/sqlstate.hpp>

#include <doctest/doctest.h>

using resilience::Errc;
using resilience::postgres::errc_of_sqlstate;

TEST_CASE("each code of the server has its meaning") {
    const std::pair<const char*, Errc> cases[] = {
        {"23505", Errc::already_exists},
        {"23503", Errc::invalid_request},
        {"23514", Errc::invalid_request},
        {"22001", Errc::invalid_request},
        {"22P02", Errc::invalid_request},
        {"42601", Errc::invalid_request},
        {"0A000", Errc::invalid_request},
        {"25P02", Errc::invalid_request},
        {"P0001", Errc::invalid_request},
        {"99999", Errc::invalid_request},
        {"40001", Errc::serialization_conflict},
        {"40P01", Errc::serialization_conflict},
        {"55P03", Errc::serialization_conflict},
        {"40002", Errc::invalid_request},
        {"40003", Errc::connection_lost},
        {"57014", Errc::timed_out},
        {"57P01", Errc::connection_lost},
        {"57P02", Errc::connection_lost},
        {"57P03", Errc::unavailable},
        {"57P05", Errc::connection_lost},
        {"25P03", Errc::connection_lost},
        {"08006", Errc::connection_lost},
        {"08001", Errc::unavailable},
        {"08004", Errc::unavailable},
        {"08P01", Errc::protocol_error},
        {"28P01", Errc::access_denied},
        {"28000", Errc::access_denied},
        {"42501", Errc::access_denied},
        {"53100", Errc::storage_full},
        {"25006", Errc::storage_full},
        {"53200", Errc::unavailable},
        {"53300", Errc::unavailable},
        {"58030", Errc::unavailable},
        {"3D000", Errc::bad_destination},
        {"3F000", Errc::bad_destination},
        {"42P01", Errc::bad_destination},
        {"54001", Errc::too_large},
        {"02000", Errc::not_found},
        {"P0002", Errc::not_found},
        {"XX000", Errc::internal},
        {"XX001", Errc::corrupt_data},
    };
    for (const auto& [state, meaning] : cases) {
        CAPTURE(state);
        CHECK(errc_of_sqlstate(state) == meaning);
    }
}

TEST_CASE("what is not a code breaks the protocol") {
    CHECK(errc_of_sqlstate("") == Errc::protocol_error);
    CHECK(errc_of_sqlstate("2350") == Errc::protocol_error);
    CHECK(errc_of_sqlstate("235050") == Errc::protocol_error);
}

TEST_CASE("a statement that the server refused is never in doubt") {
    for (const auto* state : {"23505", "40001", "57014", "53100", "42601", "28P01"}) {
        CAPTURE(state);
        CHECK_FALSE(resilience::is_in_doubt(errc_of_sqlstate(state)));
    }
}
