// SPDX-License-Identifier: MIT
#include <src/kafka/chunk_reports.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace resilience;
using kafka::detail::ChunkReports;
using kafka::detail::FailedMessage;
using kafka::detail::judge;

FailedMessage failed(
    std::size_t index, Errc error, std::string place = "t/0", bool alone = false
) {
    return {index, fail(error, "words"), std::move(place), alone};
}

std::vector<std::size_t> blamed(const std::vector<FailedMessage>& failures) {
    std::vector<std::size_t> indexes;
    for (const auto& one : judge(failures, 100).refusals) indexes.push_back(one.event);
    return indexes;
}

void deliver(ChunkReports& reports, std::size_t index) {
    rd_kafka_message_t message{};
    reports.mark(index)->report(message);
}

using Indexes = std::vector<std::size_t>;

}  // namespace

TEST_CASE("I2: a chunk is complete when each message was taken and delivered, once") {
    ChunkReports reports(3);
    for (int i = 0; i < 3; ++i) reports.accept();
    deliver(reports, 0);
    deliver(reports, 1);
    deliver(reports, 1);
    CHECK_FALSE(reports.is_complete());
    deliver(reports, 2);
    CHECK(reports.is_complete());
}

TEST_CASE("I2: a message that the client never took is missed") {
    ChunkReports reports(2);
    reports.accept();
    deliver(reports, 0);
    deliver(reports, 1);
    CHECK_FALSE(reports.is_complete());
}

TEST_CASE("I2: a chunk with a refused message is not complete") {
    ChunkReports reports(1);
    reports.refuse(0, fail(Errc::too_large));
    reports.accept();
    deliver(reports, 0);
    CHECK_FALSE(reports.is_complete());
}

TEST_CASE("what was refused before it was sent is to blame") {
    const std::vector failures{
        failed(7, Errc::too_large, {}, true), failed(2, Errc::too_large, {}, true)};
    CHECK(blamed(failures) == Indexes{2, 7});
    CHECK(judge(failures, 100).failure == Errc::too_large);
}

TEST_CASE("of several messages that the broker judged together none is blamed") {
    const std::vector failures{
        failed(3, Errc::invalid_request), failed(4, Errc::invalid_request)};
    CHECK(blamed(failures).empty());
    CHECK(judge(failures, 100).failure == Errc::invalid_request);
}

TEST_CASE("a message that was judged by itself is to blame, whoever failed elsewhere") {
    CHECK(
        blamed(
            {failed(3, Errc::too_large, "t/0"),
             failed(5, Errc::too_large, "t/1"),
             failed(6, Errc::too_large, "t/1"),
             failed(7, Errc::cancelled, "t/0")}
        ) == Indexes{3}
    );
}

TEST_CASE("each message of a topic that is refused is to blame") {
    const std::vector failures{
        failed(1, Errc::bad_destination), failed(2, Errc::bad_destination)};
    CHECK(blamed(failures) == Indexes{1, 2});
    CHECK(judge(failures, 100).failure == Errc::bad_destination);
}

TEST_CASE("cluster errors blame nobody, and what only followed is an abort") {
    const std::vector down{failed(1, Errc::cancelled), failed(2, Errc::unavailable)};
    CHECK(blamed(down).empty());
    CHECK(judge(down, 100).failure == Errc::unavailable);
    const std::vector purged{failed(1, Errc::cancelled), failed(2, Errc::closed)};
    CHECK(blamed(purged).empty());
    CHECK(judge(purged, 100).failure == Errc::aborted);
}

TEST_CASE("a fault of a message comes before the troubles of the cluster") {
    const auto verdict =
        judge({failed(0, Errc::unavailable), failed(1, Errc::too_large, {}, true)}, 100);
    CHECK(verdict.failure == Errc::too_large);
    CHECK(verdict.refusals.size() == 1);
}

TEST_CASE("the position is no event, and is named") {
    const auto verdict = judge({failed(100, Errc::too_large, {}, true)}, 100);
    CHECK(verdict.refusals.empty());
    CHECK(verdict.failure.detail == "the position record: words");
}
