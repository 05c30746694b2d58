// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_KAFKA_FOREIGN_TRANSACTION_HPP
#define RESILIENCE_TESTS_INTEGRATION_KAFKA_FOREIGN_TRANSACTION_HPP

#include "integration/kafka/cluster.hpp"

#include <doctest/doctest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <string>

namespace resilience::test {

/// A transaction of somebody else with one record `x` in partition 0, left open.
class ForeignTransaction {
public:
    ForeignTransaction(const Cluster& cluster, const std::string& topic) {
        std::array<char, 512> reason{};
        rd_kafka_conf_t* conf = rd_kafka_conf_new();
        const auto set = [&](const char* name, const std::string& value) {
            rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size());
        };
        set("bootstrap.servers", cluster.brokers());
        set("transactional.id", unique_name("foreign"));
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size());
        REQUIRE(client_);
        REQUIRE_FALSE(rd_kafka_init_transactions(client_, 20'000));
        REQUIRE_FALSE(rd_kafka_begin_transaction(client_));
        rd_kafka_topic_t* handle = rd_kafka_topic_new(client_, topic.c_str(), nullptr);
        std::string value = "x";
        const std::string key = "foreign/0";
        const int refused = rd_kafka_produce(
            handle,
            0,
            RD_KAFKA_MSG_F_COPY,
            value.data(),
            value.size(),
            key.data(),
            key.size(),
            nullptr
        );
        rd_kafka_topic_destroy(handle);
        REQUIRE(refused == 0);
        REQUIRE_FALSE(rd_kafka_flush(client_, 20'000));
    }
    ~ForeignTransaction() { rd_kafka_destroy(client_); }
    ForeignTransaction(const ForeignTransaction&) = delete;
    ForeignTransaction& operator=(const ForeignTransaction&) = delete;

    void abort() { CHECK_FALSE(rd_kafka_abort_transaction(client_, -1)); }
    void commit() { CHECK_FALSE(rd_kafka_commit_transaction(client_, -1)); }

private:
    rd_kafka_t* client_ = nullptr;
};

}  // namespace resilience::test

#endif
