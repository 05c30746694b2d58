// SPDX-License-Identifier: MIT
// What is left of a reading that there was no memory for.
#include "kafka/topic_session.hpp"
#include "integration/kafka/cluster.hpp"

#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <new>
#include <stop_token>
#include <string>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace resilience::test;
using kafka::detail::TopicSession;

// Offsets of all records, read anew.
std::vector<std::int64_t> read_all(TopicSession& session) {
    const auto opened = session.open({});
    if (!opened) FAIL(opened.error().message());
    std::vector<std::int64_t> offsets;
    for (;;) {
        const auto batch = session.read({});
        if (!batch) FAIL(batch.error().message());
        if (batch->empty()) return offsets;
        for (const auto& record : *batch) offsets.push_back(record.offset);
    }
}

}  // namespace

TEST_CASE("a reading that ran out of memory is not gone on with, but begun anew") {
    const auto cluster = Cluster::of_environment();
    const auto topic = cluster.make_topic("memory", 1);
    cluster.write(topic, 0, "a key that is long enough to be allocated", "value", 5);
    TopicSession session{cluster.options(), {.topics = {topic}, .batch_records = 2}};
    const std::vector<std::int64_t> all{0, 1, 2, 3, 4};
    REQUIRE(read_all(session) == all);
    std::uint64_t failed = 0;
    for (;; ++failed) {
        REQUIRE(session.open({}).has_value());
        bool thrown = false;
        {
            const testing::FailingAllocation failing{failed};
            try {
                (void)session.read({});
            } catch (const std::bad_alloc&) {
                thrown = true;
            }
        }
        if (!thrown) break;
        CAPTURE(failed);
        const auto then = session.read({});
        REQUIRE_FALSE(then.has_value());
        CHECK(then.error() == Errc::invalid_request);
        CHECK(read_all(session) == all);
    }
    CHECK(failed > 3);
}
