// SPDX-License-Identifier: MIT
#include <resilience/postgres/unparks.hpp>

#include "outbox_sql.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <cstdint>
#include <limits>

namespace resilience::postgres {
namespace {

bool is_lane(int lane) {
    return lane >= 0 && lane <= std::numeric_limits<std::int16_t>::max();
}

bool fits(std::uint64_t number) {
    return number <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
}

}  // namespace

net::awaitable<Result<void>> request_unpark(
    Connection& connection, std::string outbox, int lane, ParkedKey word
) {
    if (!is_lane(lane) || !fits(word.since) || !fits(word.events)) {
        co_return fail(
            Errc::invalid_request, "unpark: the lane or a number is out of range"
        );
    }
    const auto done = co_await connection.async_execute(
        sql::unpark_request,
        parameters(
            outbox,
            lane,
            static_cast<std::int64_t>(word.since),
            word.topic,
            word.key,
            static_cast<std::int64_t>(word.events)
        ),
        net::use_awaitable
    );
    if (!done) co_return done.error();
    co_return Result<void>{};
}

net::awaitable<Result<std::vector<ParkedKey>>> take_unparks(
    Connection& connection, std::string outbox, int lane
) {
    if (!is_lane(lane)) {
        co_return fail(Errc::invalid_request, "unpark: the lane is out of range");
    }
    const auto rows = co_await connection.async_execute(
        sql::unpark_take, parameters(outbox, lane), net::use_awaitable
    );
    if (!rows) co_return rows.error();
    std::vector<ParkedKey> words;
    for (const auto& row : *rows) {
        const auto since = row.int64(2);
        if (!since) co_return since.error();
        const auto events = row.int64(3);
        if (!events) co_return events.error();
        words.push_back(
            {std::string{row.text(0)},
             std::string{row.text(1)},
             static_cast<std::uint64_t>(*since),
             static_cast<std::uint64_t>(*events)}
        );
    }
    co_return words;
}

}  // namespace resilience::postgres
