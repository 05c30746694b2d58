// SPDX-License-Identifier: MIT
#include <src/redis/bucket_script.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::detail;
using namespace std::chrono;

namespace {

std::string refused(const TokenBucketStoreOptions& options) {
    try {
        make_terms(options);
    } catch (const std::invalid_argument& e) {
        const std::string words = e.what();
        return words.substr(0, words.find(':'));
    }
    return "";
}

Reply answer(std::initializer_list<std::int64_t> numbers) {
    std::vector<Reply> parts;
    for (const auto n : numbers) parts.push_back(Reply::of_integer(n));
    return Reply::of_array(std::move(parts));
}

const BucketRequest one[] = {{"k", 1}};

}  // namespace

TEST_CASE("M11: a limit is reduced to the smallest whole numbers") {
    const auto terms = make_terms({.tokens = 100, .period = seconds{1}, .burst = 50});
    CHECK(terms.rate == 1);
    CHECK(terms.price == 10'000);
    CHECK(terms.full == 500'000);
    CHECK(terms.unit == microseconds{1});

    const auto odd = make_terms({.tokens = 3, .period = nanoseconds{7'500}, .burst = 1});
    CHECK(odd.rate == 2);
    CHECK(odd.price == 5);
}

TEST_CASE("M11: a limit too large for microseconds is counted in a coarser unit") {
    const TokenBucketStoreOptions options{
        .tokens = 1'000'000'007, .period = hours{24}, .burst = 1'000'000'000};
    const auto terms = make_terms(options);
    CHECK(terms.unit == seconds{1});
    CHECK(terms.rate == 1'000'000'007);
    CHECK(terms.price == 86'400);
    CHECK(terms.full < std::uint64_t{1} << 52);
}

TEST_CASE("M11: a limit out of range is refused at construction, by its name") {
    CHECK(refused({}) == "");
    CHECK(refused({.tokens = 0}) == "tokens");
    CHECK(refused({.tokens = 1'000'000'000'001}) == "tokens");
    CHECK(refused({.burst = 0}) == "burst");
    CHECK(refused({.burst = std::numeric_limits<std::uint64_t>::max()}) == "burst");
    CHECK(refused({.period = nanoseconds{0}}) == "period");
    CHECK(refused({.period = nanoseconds{-1}}) == "period");
    CHECK(refused({.period = hours{24 * 367}}) == "period");
    CHECK(refused({.tokens = 1, .period = hours{24 * 366}, .burst = 101}) == "burst");
    CHECK(refused({.prefix = std::string(257, 'p')}) == "prefix");
    CHECK(refused({.min_ttl = milliseconds{0}}) == "min_ttl");
    // A prime period in ns and a large burst: no unit counts it exactly.
    CHECK(
        refused(
            {.tokens = 999'999'999'989,
             .period = nanoseconds{31'557'600'000'000'007},
             .burst = 999'999'999'989}
        ) == "burst"
    );
}

TEST_CASE("M11: every limit that is accepted can be counted exactly") {
    const std::uint64_t amounts[] = {1, 3, 10, 997, 65'536, 1'000'000, 999'999'999'989};
    const nanoseconds periods[] = {
        microseconds{1},
        nanoseconds{1'001},
        milliseconds{1},
        seconds{1},
        minutes{1},
        hours{1},
        hours{24},
        hours{24 * 30},
        hours{24 * 366}};
    for (const auto tokens : amounts) {
        for (const auto burst : amounts) {
            for (const auto period : periods) {
                const TokenBucketStoreOptions options{tokens, period, burst};
                if (!refused(options).empty()) continue;
                const auto terms = make_terms(options);
                CHECK(terms.full == terms.price * burst);
                CHECK(terms.full < std::uint64_t{1} << 52);
                CHECK(terms.rate < std::uint64_t{1} << 52);
                CHECK(terms.price / terms.rate * terms.unit <= period);
            }
        }
    }
}

TEST_CASE("M11: a call names the script and carries keys of any bytes") {
    const BucketCodec codec({.tokens = 1, .burst = 10, .prefix = "p:"});
    const BucketRequest requests[] = {{std::string("a\r\n\0", 4), 2}, {"", 0}};
    const auto wire = codec.encode("EVALSHA", BucketMode::each, requests);
    const std::string bytes(wire.bytes());
    CHECK(bytes.starts_with("*13\r\n$7\r\nEVALSHA\r\n$40\r\n" + bucket_script_sha()));
    CHECK(bytes.find(std::string("$6\r\np:a\r\n\0\r\n", 12)) != std::string::npos);
    CHECK(bytes.find("$7\r\n2000000\r\n") != std::string::npos);

    const auto text = codec.encode("EVAL", BucketMode::each, requests);
    CHECK(text.bytes().find(bucket_script()) != std::string_view::npos);
}

TEST_CASE("M2, M3: an answer becomes a decision, with waits counted from now") {
    const BucketCodec codec({.tokens = 1, .period = seconds{1}, .burst = 10});
    const auto decisions = codec.decode(answer({0, 0, 7'500'000, 2'500'000}), one);
    REQUIRE(decisions.has_value());
    CHECK(
        decisions->front() ==
        BucketDecision{Admission::admit(), 7, 10, milliseconds{2'500}}
    );
    const auto refusal = codec.decode(answer({0, 250'001, 0, 10'000'000}), one);
    REQUIRE(refusal.has_value());
    CHECK(refusal->front().admission == Admission::refuse(microseconds{250'001}));
    CHECK(refusal->front().remaining == 0);
}

TEST_CASE("M11: the part of a coarse unit that has passed shortens the wait") {
    const BucketCodec codec(
        {.tokens = 1'000'000'007, .period = hours{24}, .burst = 1'000'000'000}
    );
    const auto decisions = codec.decode(answer({400'000, 2, 0, 3}), one);
    REQUIRE(decisions.has_value());
    CHECK(decisions->front().admission == Admission::refuse(microseconds{1'600'000}));
    CHECK(decisions->front().time_to_full == microseconds{2'600'000});
}

TEST_CASE("M11: a wait beyond what can be told is long, and not never") {
    const BucketCodec codec({});
    const auto most = std::numeric_limits<std::int64_t>::max();
    const auto decisions = codec.decode(answer({0, most, 0, most}), one);
    REQUIRE(decisions.has_value());
    CHECK(decisions->front().admission.possible());
}

TEST_CASE("M11: an answer that is not the script's is a protocol error") {
    const BucketCodec codec({.tokens = 1, .period = seconds{1}, .burst = 10});
    const auto most = std::numeric_limits<std::int64_t>::min();
    for (const auto& reply :
         {Reply{},
          Reply::of_integer(1),
          Reply::of_bulk("x"),
          Reply::of_array({}),
          answer({0, 0, 0}),
          answer({0, 0, 0, 0, 0}),
          answer({-1, 0, 0, 0}),
          answer({0, -1, 0, 0}),
          answer({0, 0, -1, 0}),
          answer({0, 0, 0, -1}),
          answer({0, 0, most, 0}),
          answer({0, 0, 10'000'001, 0}),
          Reply::of_array({Reply{}, Reply{}, Reply{}, Reply{}})}) {
        const auto decisions = codec.decode(reply, one);
        REQUIRE_FALSE(decisions.has_value());
        CHECK(decisions.error() == Errc::protocol_error);
    }
}

TEST_CASE("M11: an error of the script says what is wrong with the store") {
    CHECK(script_failure("NOPERM this user has no permissions") == Errc::access_denied);
    CHECK(script_failure("OOM command not allowed") == Errc::storage_full);
    CHECK(script_failure("ERR unknown command 'EVAL'") == Errc::invalid_request);
}

TEST_CASE("M11: a key that holds no bucket is named, whatever its bytes") {
    const BucketCodec codec({.prefix = "p:"});
    const BucketRequest requests[] = {{"a", 1}, {"b\r\nc", 1}};
    const auto named = codec.decode(Reply::of_error("CORRUPT key 2"), requests);
    CHECK(named.error() == Errc::corrupt_data);
    CHECK(
        named.error().detail ==
        "the key 'p:b\r\nc' holds something that is not a bucket; reset it"
    );
    for (const auto* words :
         {"CORRUPT key 0", "CORRUPT key 3", "CORRUPT key", "CORRUPT"}) {
        CAPTURE(words);
        CHECK(
            codec.decode(Reply::of_error(words), requests).error() ==
            Errc::invalid_request
        );
    }
}
