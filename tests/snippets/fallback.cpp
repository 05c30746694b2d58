// SPDX-License-Identifier: MIT
#include <resilience/asio/fallback.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/fallback.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <string>

namespace {

namespace net = boost::asio;
using namespace resilience;

Result<int> price_of(int) { return fail(Errc::circuit_open); }

net::awaitable<Result<int>> async_price_of(int) { co_return fail(Errc::circuit_open); }

net::awaitable<Result<int>> async_last_known_price(int) { co_return 17; }

//[function
Result<int> price_or_last_known(int id, int last_known) {
    Fallback fallback{[&](const FallbackCause& cause) -> Result<int> {
        if (cause.failure == Errc::access_denied)
            return cause.failure;  // do not hide that
        return last_known;
    }};
    return fallback.run([&] { return price_of(id); });
}
//]

//[await
net::awaitable<Result<int>> price_or_cache(int id) {
    Fallback fallback{[id] { return async_last_known_price(id); }};
    co_return co_await co_with_fallback(fallback, [id] { return async_price_of(id); });
}
//]

}  // namespace

TEST_CASE("docs/fallback.md") {
    //[value
    Fallback free_of_charge{0};
    Result<int> price = free_of_charge.run([] { return price_of(7); });
    //]
    CHECK(price.value() == 0);
    CHECK(price_or_last_known(7, 12).value() == 12);

    //[select
    Fallback only_when_open{0, [](const FallbackCause& cause) {
                                return cause.failure == Errc::circuit_open;
                            }};
    //]
    CHECK(only_when_open.run([] { return price_of(7); }).value() == 0);

    net::io_context context;
    int cached = 0;
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            const Result<int> r = co_await price_or_cache(7);
            cached = r.value();
        },
        net::detached
    );
    context.run();
    CHECK(cached == 17);
}
