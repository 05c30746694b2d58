// SPDX-License-Identifier: MIT
#include "bench/relay/bare_producer.hpp"

#include <librdkafka/rdkafka.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace resilience::bench {
namespace {

void require(rd_kafka_error_t* error) {
    if (!error) return;
    const std::string text = rd_kafka_error_string(error);
    rd_kafka_error_destroy(error);
    throw std::runtime_error(text);
}

}  // namespace

BareProducer::BareProducer(
    const std::string& brokers, const std::string& topic, std::vector<Header> headers
)
    : headers_(std::move(headers)) {
    std::array<char, 512> reason{};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const std::array<std::pair<const char*, std::string>, 8> settings{
        {{"bootstrap.servers", brokers},
         {"transactional.id", "bare." + topic},
         {"transaction.timeout.ms", "20000"},
         {"linger.ms", "1"},
         {"socket.nagle.disable", "true"},
         {"compression.codec", "lz4"},
         {"partitioner", "murmur2_random"},
         {"queue.buffering.max.messages", "100000"}}};
    for (const auto& [name, value] : settings) {
        rd_kafka_conf_set(conf, name, value.c_str(), reason.data(), reason.size());
    }
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t*, void*) {
    });
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason.data(), reason.size());
    if (!client_) throw std::runtime_error(reason.data());
    topic_ = rd_kafka_topic_new(client_, topic.c_str(), nullptr);
    require(rd_kafka_init_transactions(client_, 30'000));
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client_, 0, topic_, &metadata, 10'000) == 0) {
        rd_kafka_metadata_destroy(metadata);
    }
}

BareProducer::~BareProducer() {
    rd_kafka_topic_destroy(topic_);
    rd_kafka_destroy(client_);
}

void BareProducer::commit(std::size_t count, const std::vector<std::string>& contents) {
    require(rd_kafka_begin_transaction(client_));
    for (std::size_t i = 0; i < count; ++i) {
        const std::string key = "user-" + std::to_string(i % 1000);
        const auto& content = contents[i % contents.size()];
        rd_kafka_headers_t* headers = nullptr;
        if (!headers_.empty()) headers = rd_kafka_headers_new(headers_.size());
        for (const auto& [name, value] : headers_) {
            rd_kafka_header_add(
                headers,
                name.data(),
                static_cast<ssize_t>(name.size()),
                value.data(),
                static_cast<ssize_t>(value.size())
            );
        }
        const auto refused = rd_kafka_producev(
            client_,
            RD_KAFKA_V_RKT(topic_),
            RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_VALUE(const_cast<char*>(content.data()), content.size()),
            RD_KAFKA_V_KEY(key.data(), key.size()),
            RD_KAFKA_V_HEADERS(headers),
            RD_KAFKA_V_END
        );
        if (refused != RD_KAFKA_RESP_ERR_NO_ERROR) {
            throw std::runtime_error("a message was not taken");
        }
    }
    require(rd_kafka_commit_transaction(client_, -1));
}

}  // namespace resilience::bench
