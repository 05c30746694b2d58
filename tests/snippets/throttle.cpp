// SPDX-License-Identifier: MIT
#include <resilience/throttle.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <system_error>
#include <utility>

namespace {

using namespace resilience;

//[call
std::error_code call_unless_overloaded(
    Throttle<>& throttle, const std::function<std::error_code()>& call
) {
    auto permit = throttle.try_acquire();
    if (!permit) return make_error_code(Errc::shed);
    const std::error_code error = call();
    std::move(permit).done(classify(error).verdict);
    return error;
}
//]

}  // namespace

TEST_CASE("docs/throttle.md: calls to a peer that becomes overloaded") {
    //[make
    Throttle throttle{{.grace = 64}};  // no less than the calls in flight at once
    //]
    const auto overload = std::make_error_code(std::errc::resource_unavailable_try_again);
    CHECK_FALSE(call_unless_overloaded(throttle, [] { return std::error_code{}; }));
    int shed = 0;
    for (int i = 0; i < 2000; ++i) {
        if (call_unless_overloaded(throttle, [&] { return overload; }) != overload) {
            ++shed;
        }
    }
    CHECK(shed > 1000);

    //[gauge
    const ThrottleSnapshot now = throttle.snapshot();
    const bool overloaded = now.rejection > 0;
    //]
    CHECK(overloaded);
    CHECK(now.accepts == 1);
    //[reconfigure
    throttle.reconfigure({.multiplier = 1.5, .grace = 64});
    //]
    CHECK(throttle.snapshot().requests >= now.requests);
}
