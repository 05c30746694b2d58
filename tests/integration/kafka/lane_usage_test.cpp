// SPDX-License-Identifier: MIT
#include "integration/kafka/lane_world.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;

/// Reads what lies behind a position.
using NextChunk = std::function<std::vector<WindowEvent>(const LanePosition&)>;

/// The position behind a chunk.
using Behind = std::function<LanePosition(const LanePosition&, std::size_t events)>;

//[deliver
// Delivers chunk after chunk until there is none. Whatever went wrong with the last one,
// the position that is read back decides what comes next.
net::awaitable<Result<void>> deliver(
    LaneSink& lane, NextChunk read, Behind behind, int patience
) {
    auto position = co_await lane.take_over();
    while (position) {
        const LanePosition here = position->value_or(LanePosition{});
        const auto chunk = read(here);
        if (chunk.empty()) co_return Result<void>{};
        const LanePosition next = behind(here, chunk.size());
        const auto done = co_await lane.commit(chunk, next);
        if (done) {
            position = next;
        } else if (is_retryable(done.error().code) && patience-- > 0) {
            position = co_await lane.take_over();
        } else {
            co_return done;
        }
    }
    co_return position.error();
}
//]

}  // namespace

TEST_CASE("I1: whoever goes by the position that is read back delivers each event once") {
    LaneWorld world;
    const auto topic = world.cluster().make_topic("usage", 1);
    // Every commit is followed by an abort.
    world.options().epoch_guard = kafka::EpochGuard::every_transaction;
    std::vector<WindowEvent> table;
    for (int i = 0; i < 6; ++i) table.push_back(row_of(topic, std::to_string(i)));
    const NextChunk read = [&](const LanePosition& position) {
        const auto from = table.begin() + static_cast<std::ptrdiff_t>(position.lane_seq);
        return std::vector(from, table.end() - from > 2 ? from + 2 : table.end());
    };
    auto owner = world.owner();
    const auto done = run(world.io(), deliver(*owner, read, position_after, 5));
    REQUIRE_MESSAGE(done.has_value(), done.error().message());
    CHECK(owner->snapshot().commits == 3);
    CHECK(owner->snapshot().aborts == 2);
    CHECK(
        values_in(world.cluster().consume(topic, 6)) ==
        std::vector<std::string>{"0", "1", "2", "3", "4", "5"}
    );
}
