// SPDX-License-Identifier: MIT
// The checker of exactly-once delivery sees what is planted.
#include <chaos/exactly_once/checker.hpp>
#include <chaos/exactly_once/topic_reader.hpp>
#include <e2e/harness/stack.hpp>
#include <integration/kafka/cluster.hpp>

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace resilience::e2e;

namespace {

std::vector<Written> three_rows() {
    return {{"a", "k", 1, 0}, {"b", "k", 2, 0}, {"c", "k", 3, 0}};
}

Delivered of(const Written& row, std::int64_t lane_seq) {
    return {
        .id = row.id,
        .key = row.key,
        .n = row.n,
        .lane = row.lane,
        .lane_seq = lane_seq,
        .topic = "t",
        .partition = 0,
        .offset = lane_seq};
}

std::vector<Delivered> delivered(const std::vector<Written>& rows) {
    std::vector<Delivered> list;
    for (const auto& row : rows) {
        list.push_back(of(row, static_cast<std::int64_t>(list.size()) + 1));
    }
    return list;
}

// A transactional producer of librdkafka's own, with what a relay would send.
class Planter {
public:
    Planter(const std::string& brokers, std::string topic, const std::string& id)
        : topic_(std::move(topic)) {
        const std::map<std::string, std::string> settings{
            {"bootstrap.servers", brokers}, {"transactional.id", id}};
        std::array<char, 512> reason{};
        rd_kafka_conf_t* conf = rd_kafka_conf_new();
        for (const auto& [name, value] : settings) {
            REQUIRE(
                rd_kafka_conf_set(
                    conf, name.c_str(), value.c_str(), reason.data(), reason.size()
                ) == RD_KAFKA_CONF_OK
            );
        }
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size());
        REQUIRE(client_);
        REQUIRE_FALSE(rd_kafka_init_transactions(client_, 20'000));
    }
    ~Planter() { rd_kafka_destroy(client_); }
    Planter(const Planter&) = delete;
    Planter& operator=(const Planter&) = delete;

    void begin() { REQUIRE_FALSE(rd_kafka_begin_transaction(client_)); }
    void send(const Delivered& one) {
        rd_kafka_headers_t* headers = rd_kafka_headers_new(4);
        const auto add = [headers](const char* name, const std::string& value) {
            rd_kafka_header_add(
                headers, name, -1, value.data(), static_cast<ssize_t>(value.size())
            );
        };
        add("ce_id", one.id);
        add("ce_type", std::to_string(one.n));
        add("lane", std::to_string(one.lane));
        add("lane_seq", std::to_string(one.lane_seq));
        REQUIRE_FALSE(rd_kafka_producev(
            client_,
            RD_KAFKA_V_TOPIC(topic_.c_str()),
            RD_KAFKA_V_PARTITION(0),
            RD_KAFKA_V_KEY(one.key.data(), one.key.size()),
            RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_END
        ));
        REQUIRE_FALSE(rd_kafka_flush(client_, 20'000));
    }
    void commit() { REQUIRE_FALSE(rd_kafka_commit_transaction(client_, 20'000)); }
    void abort() { REQUIRE_FALSE(rd_kafka_abort_transaction(client_, 20'000)); }

private:
    std::string topic_;
    rd_kafka_t* client_ = nullptr;
};

// The end of a transaction is acknowledged a moment before its topics show it.
std::size_t read_decided(TopicReader& reader) {
    CHECK(eventually([&] { return reader.undecided() == 0; }));
    return reader.read();
}

}  // namespace

TEST_CASE("checker: what was delivered once and in order is clean") {
    const auto rows = three_rows();
    const auto verdict = judge(rows, delivered(rows));
    CHECK(verdict.is_clean());
    CHECK(verdict.events == 3);
}

TEST_CASE("checker: an event that was lost is red") {
    const auto rows = three_rows();
    auto list = delivered({rows[0], rows[2]});
    const auto verdict = judge(rows, list);
    CHECK(verdict.lost == 1);
    CHECK(verdict.inversions == 1);
    CHECK_FALSE(verdict.is_clean());
    // The last one of its key leaves no gap behind it, but is missed all the same.
    CHECK(judge(rows, delivered({rows[0], rows[1]})).lost == 1);
}

TEST_CASE("checker: an event that came twice is red") {
    const auto rows = three_rows();
    auto list = delivered({rows[0], rows[1], rows[1], rows[2]});
    CHECK(judge(rows, list).duplicates == 1);
    // Also when the two were given the same number.
    list[2].lane_seq = 2;
    list[3].lane_seq = 3;
    const auto verdict = judge(rows, list);
    CHECK(verdict.duplicates == 1);
    CHECK(verdict.lane_faults > 0);
    CHECK_FALSE(verdict.is_clean());
}

TEST_CASE("checker: two events of a key that changed places are red") {
    const auto rows = three_rows();
    const auto verdict = judge(rows, delivered({rows[0], rows[2], rows[1]}));
    CHECK(verdict.inversions > 0);
    CHECK(verdict.lost + verdict.duplicates + verdict.phantoms == 0);
    CHECK_FALSE(verdict.is_clean());
}

TEST_CASE("checker: a key whose events are in two topics has the order of its lane") {
    const auto rows = three_rows();
    auto list = delivered(rows);
    list[1].topic = "u";
    std::swap(list[1], list[2]);
    CHECK(judge(rows, list).is_clean());
    std::swap(list[1].lane_seq, list[2].lane_seq);
    CHECK(judge(rows, list).inversions > 0);
}

TEST_CASE("checker: an event that nobody committed is red") {
    const auto rows = three_rows();
    auto list = delivered(rows);
    list.push_back(of({"d", "k", 4, 0}, 4));
    const auto verdict = judge(rows, list);
    CHECK(verdict.phantoms == 1);
    CHECK_FALSE(verdict.is_clean());
}

TEST_CASE("checker: numbers of a lane that are missing, doubled or of another are red") {
    const auto rows = three_rows();
    auto list = delivered(rows);
    list[2].lane_seq = 4;
    CHECK(judge(rows, list).lane_faults == 1);
    list[2].lane_seq = 2;
    CHECK(judge(rows, list).lane_faults > 0);
    list[2].lane_seq = 3;
    std::swap(list[1].lane_seq, list[2].lane_seq);
    CHECK(judge(rows, list).lane_faults > 0);
    list = delivered(rows);
    list[2].lane = 1;
    list[2].lane_seq = 1;
    CHECK(judge(rows, list).lane_faults == 1);
}

TEST_CASE("checker: a transaction that nobody ended is red") {
    const auto rows = three_rows();
    CHECK_FALSE(judge(rows, delivered(rows), 1).is_clean());
}

TEST_CASE("checker: the reader takes what was committed, and sees what is undecided") {
    const auto brokers = required_variable("KAFKA_BROKERS");
    const auto topic = resilience::test::Cluster{brokers}.make_topic("checker", 1);
    TopicReader reader(brokers, topic);
    CHECK(reader.read() == 0);
    const auto rows = three_rows();
    const auto list = delivered(rows);
    Planter one(brokers, topic, topic + "-1");
    one.begin();
    one.send(list[0]);
    one.commit();
    CHECK(read_decided(reader) == 1);
    one.begin();
    one.send(list[1]);
    one.abort();
    CHECK(read_decided(reader) == 0);
    one.begin();
    one.send(list[1]);
    one.send(list[2]);
    CHECK(reader.read() == 0);
    CHECK(reader.undecided() == 2);
    one.commit();
    CHECK(read_decided(reader) == 2);
    CHECK(judge(rows, reader.delivered(), reader.undecided()).is_clean());
    // One more copy, and one less: a reader from the beginning sees the same.
    one.begin();
    one.send(list[2]);
    one.commit();
    TopicReader second(brokers, topic);
    CHECK(read_decided(second) == 4);
    CHECK(judge(rows, second.delivered()).duplicates == 1);
}
