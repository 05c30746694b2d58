// SPDX-License-Identifier: MIT
#include <resilience/adaptive_limit.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

std::error_code send() { return {}; }

//[use
std::error_code send_as_much_as_the_peer_bears(AdaptiveLimit<>& limit) {
    auto permit = limit.try_acquire();
    if (!permit) return permit.error();
    const std::error_code error = send();
    std::move(permit).done(classify(error).verdict);
    return error;
}
//]

}  // namespace

TEST_CASE("docs/adaptive-limit.md: gradient and AIMD") {
    //[make
    AdaptiveLimit limit{{.initial = 20, .floor = 2, .ceiling = 200, .probe = 5}};
    //]
    CHECK_FALSE(send_as_much_as_the_peer_bears(limit));
    CHECK(limit.snapshot().in_flight == 0);

    //[aimd
    AdaptiveLimit batch{
        {.algorithm = LimitAlgorithm::aimd, .initial = 4, .backoff = 0.5, .timeout = 2s}};
    //]
    CHECK_FALSE(send_as_much_as_the_peer_bears(batch));
}

TEST_CASE("docs/adaptive-limit.md: time is an argument") {
    //[time
    TimePoint now{1h};
    AdaptiveLimit limit{{.initial = 10}, {}, now};
    for (int i = 0; i < 100; ++i) {
        auto permit = limit.try_acquire(now);
        now += 20ms;
        std::move(permit).done(Verdict::success, now);
    }
    CHECK(limit.snapshot().baseline > 19ms);
    CHECK(limit.snapshot().limit == 10);  // one call at a time proves nothing
    //]
}
