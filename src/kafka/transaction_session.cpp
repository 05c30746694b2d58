// SPDX-License-Identifier: MIT
#include "kafka/transaction_session.hpp"

#include <resilience/event.hpp>

#include "kafka/compacted_topic.hpp"
#include "kafka/error_map.hpp"
#include "kafka/lane_configuration.hpp"

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds abort_timeout{2000};

TransactionalProducerOptions checked(
    const ProducerOptions& producer, TransactionalProducerOptions o
) {
    const auto require = [](bool holds, const char* complaint) {
        if (!holds) throw std::invalid_argument(complaint);
    };
    require(
        !o.transactional_id.empty() && o.transactional_id.size() <= 249,
        "transactional_id: must be 1 to 249 characters"
    );
    require(
        o.mark_topic.empty() || is_topic_name(o.mark_topic),
        "mark_topic: must be 1 to 249 of A-Z a-z 0-9 . _ -"
    );
    require(
        o.mark_replicas == -1 || (o.mark_replicas >= 1 && o.mark_replicas <= 100),
        "mark_replicas: must be -1 or 1 to 100"
    );
    require(
        o.transaction_timeout > producer.socket_timeout &&
            o.transaction_timeout <= std::chrono::minutes{15},
        "transaction_timeout: must be longer than socket_timeout, at most 15 min"
    );
    require(
        o.open_timeout >= milliseconds{100} && o.open_timeout <= std::chrono::seconds{50},
        "open_timeout: must be 100 ms to 50 s"
    );
    return o;
}

}  // namespace

TransactionSession::TransactionSession(
    ProducerOptions producer, TransactionalProducerOptions options
)
    : producer_(std::move(producer)),
      options_(checked(producer_, std::move(options))),
      settings_(transactional_settings(
          producer_, options_.transactional_id, options_.transaction_timeout
      )) {
    check_settings(settings_);
}

Result<void> TransactionSession::open(const std::stop_token& stop) {
    is_open_ = false;
    client_.reset();
    const Patience patience{Clock::now() + options_.open_timeout, stop};
    try {
        const auto prepared = prepare_marks(patience);
        if (!prepared) return prepared;
        client_ =
            std::make_unique<TransactionalClient>(settings_, producer_.log, ledger_);
        const auto fenced = client_->init(patience);
        if (!fenced) {
            client_.reset();
            return fenced;
        }
    } catch (const std::exception& error) {
        client_.reset();
        return fail(Errc::internal, error.what());
    }
    is_open_ = true;
    return {};
}

Result<void> TransactionSession::prepare_marks(const Patience& patience) {
    if (options_.mark_topic.empty()) return {};
    ClientLog log{producer_.log};
    const auto reader = open_client(
        RD_KAFKA_CONSUMER, reader_settings(producer_, Isolation::read_committed), log
    );
    const CompactedTopic topic{
        .record = "mark",
        .name = options_.mark_topic,
        .replication_factor = options_.mark_replicas};
    return prepare_compacted_topic(*reader, topic, patience);
}

Result<void> TransactionSession::commit(
    const std::vector<Message>& messages, const std::stop_token& stop
) {
    refused_.reset();
    if (!client_) return fail(Errc::invalid_request, "the producer must be opened first");
    if (messages.empty()) return fail(Errc::invalid_request, "messages: none");
    stage_ = Stage::before;
    // The client is gone before the reports are, however this ends.
    ChunkReports reports(messages.size());
    try {
        const auto done = transact(
            messages, reports, {Clock::now() + options_.transaction_timeout, stop}
        );
        if (!done) return give_up(done.error());
    } catch (const std::exception& error) {
        return give_up(fail(Errc::internal, error.what()));
    }
    // I8: a copy of a request that is still under way is never met by a transaction.
    if (!ledger_.is_balanced()) {
        is_open_ = false;
        client_.reset();
    }
    return {};
}

Result<void> TransactionSession::transact(
    const std::vector<Message>& messages, ChunkReports& reports, const Patience& patience
) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto topic = client_->topic(messages[i].topic, patience);
        if (!topic) return failed(i, messages[i], topic.error());
    }
    ledger_.begin();
    auto done = client_->begin();
    if (!done) return done;
    stage_ = Stage::open;
    done = send(messages, reports, patience);
    if (!done) return done;
    done = client_->await_reports(reports, patience);
    // To commit succeeds whatever was refused or lost: what is committed is decided here.
    if (!reports.failed().empty()) {
        auto verdict = judge(reports.failed(), messages.size());
        // Given up with the transaction: what became of it tells why.
        auto trouble = verdict.failure == Errc::aborted ? client_->trouble()
                                                        : std::optional<Failure>{};
        if (trouble) return std::move(*trouble);
        const auto index = verdict.index;
        return failed(index, messages[index], std::move(verdict.failure));
    }
    if (!reports.is_complete()) {
        if (!done) return done;
        return fail(Errc::aborted, "not every message was reported");
    }
    stage_ = Stage::ending;
    // Begun, it is not given up before the cluster itself gives it up.
    return client_->commit({Clock::now() + options_.transaction_timeout, {}});
}

Result<void> TransactionSession::send(
    const std::vector<Message>& messages, ChunkReports& reports, const Patience& patience
) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto topic = client_->topic(messages[i].topic, patience);
        if (!topic) return failed(i, messages[i], topic.error());
        const int error =
            client_->produce(**topic, view_of(messages[i]), reports.mark(i), patience);
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
            const auto* words = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
            return failed(i, messages[i], fail(delivery_error(error, false), words));
        }
        reports.accept();
    }
    return {};
}

Failure TransactionSession::failed(
    std::size_t index, const Message& message, Failure failure
) {
    failure.detail = "topic " + message.topic + ": " + failure.detail;
    if (is_fault_of_message(failure)) refused_ = index;
    return failure;
}

// I8: no transaction ever follows a failed one on the same producer.
Failure TransactionSession::give_up(Failure failure) {
    is_open_ = false;
    bool fenced = failure == Errc::fenced || client_->is_fenced();
    if (stage_ == Stage::open && !fenced) {
        client_->abort(abort_timeout);
        // It may be the first request that a new owner's fence meets.
        fenced = client_->is_fenced();
    }
    client_.reset();
    return failure_at(std::move(failure), stage_, fenced, ledger_);
}

}  // namespace resilience::kafka::detail
