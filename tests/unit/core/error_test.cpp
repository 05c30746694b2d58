// SPDX-License-Identifier: MIT
#include <resilience/error.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace resilience;

TEST_CASE("each error has a sentence of its own") {
    std::set<std::string> sentences;
    const int last = static_cast<int>(last_errc);
    for (int value = 1; value <= last; ++value) {
        sentences.insert(make_error_code(static_cast<Errc>(value)).message());
    }
    CHECK(sentences.size() == static_cast<std::size_t>(last));
    CHECK(sentences.count("unknown error") == 0);
    CHECK(make_error_code(static_cast<Errc>(last + 1)).message() == "unknown error");
}

TEST_CASE("an error says whether to retry and whether the effect may have happened") {
    CHECK(is_retryable(Errc::unavailable));
    CHECK_FALSE(is_in_doubt(Errc::unavailable));
    CHECK(is_retryable(Errc::connection_lost));
    CHECK(is_in_doubt(Errc::connection_lost));
    CHECK(is_in_doubt(Errc::timed_out_in_doubt));
    CHECK(is_in_doubt(Errc::cancelled_in_doubt));
    CHECK(is_in_doubt(Errc::protocol_error));
    CHECK_FALSE(is_retryable(Errc::cancelled));
    CHECK_FALSE(is_retryable(Errc::too_large));
    CHECK_FALSE(is_retryable(Errc::already_exists));
    CHECK_FALSE(is_retryable(std::make_error_code(std::errc::timed_out)));
    CHECK(is_retryable(Errc::aborted));
    CHECK_FALSE(is_in_doubt(Errc::aborted));
    CHECK_FALSE(is_retryable(Errc::fenced));
    CHECK(is_in_doubt(Errc::fenced));
    CHECK_FALSE(is_retryable(Errc::history_changed));
    CHECK_FALSE(is_in_doubt(Errc::history_changed));
}

TEST_CASE("a failure carries the server's words") {
    CHECK(fail(Errc::not_found).message() == "no such thing was found");
    CHECK(
        fail(Errc::too_large, "2 MiB").message() ==
        "the message is larger than the destination takes: 2 MiB"
    );
    CHECK(fail(Errc::too_large) == Errc::too_large);
}
