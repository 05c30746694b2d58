// SPDX-License-Identifier: MIT
#include "kafka/transactional_client.hpp"

#include <resilience/event.hpp>
#include <resilience/retry_policy.hpp>

#include "kafka/error_map.hpp"

#include <array>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// How often a wait looks whether it was stopped, and the pause before a retry.
constexpr milliseconds look{100};
constexpr milliseconds question{1000};
constexpr milliseconds retry_pause{10};

constexpr std::chrono::minutes metadata_age{5};

// A topic that somebody has just made takes a moment to be known.
constexpr RetryPolicy topic_appears{
    {.attempts = 5, .base = milliseconds{50}, .jitter = Jitter::none}};

}  // namespace

Result<void> TransactionalClient::init(const Patience& patience) {
    std::string last = "no broker answered";
    while (!patience.is_over()) {
        const ErrorHandle error{
            rd_kafka_init_transactions(client_.native(), patience.slice(look))};
        if (!error) return {};
        if (!rd_kafka_error_is_retriable(error.get())) return failure_of(*error);
        last = rd_kafka_error_string(error.get());
        if (rd_kafka_error_code(error.get()) != RD_KAFKA_RESP_ERR__TIMED_OUT) {
            patience.pause(retry_pause);
        }
    }
    const auto trouble = client_.log().trouble_since(TimePoint{});
    return patience.failure(trouble.empty() ? last : last + " (" + trouble + ')');
}

Result<TransactionalClient::Topic*> TransactionalClient::topic(
    const std::string& name, const Patience& patience
) {
    const auto known = topics_.find(name);
    if (known != topics_.end() &&
        Clock::now() - known->second.fetched_at < metadata_age) {
        return &known->second;
    }
    if (!is_topic_name(name)) {
        return fail(Errc::bad_destination, "not the name of a topic: '" + name + '\'');
    }
    auto handle = client_.topic(name);
    if (!handle) return handle.error();
    std::uint32_t attempts = 0;
    while (!patience.is_over()) {
        const milliseconds limit{patience.slice(question)};
        const auto answer = client_.fetch_metadata(**handle, limit);
        if (answer.result) {
            Topic fresh{std::move(*handle), answer.result->partitions, Clock::now()};
            return &topics_.insert_or_assign(name, std::move(fresh)).first->second;
        }
        const bool again = answer.pending || is_retryable(answer.result.error().code);
        auto delay = answer.pending
                         ? topic_appears.next(++attempts, 0)
                         : std::optional<std::chrono::nanoseconds>{retry_pause};
        if (!again || !delay) return answer.result.error();
        patience.pause(std::chrono::ceil<milliseconds>(*delay));
    }
    return patience.failure("nothing is known of the topic " + name);
}

Result<void> TransactionalClient::begin() {
    const ErrorHandle error{rd_kafka_begin_transaction(client_.native())};
    if (error) return failure_of(*error);
    return {};
}

int TransactionalClient::produce(
    Topic& topic,
    const MessageView& message,
    ReportReceiver* mark,
    const Patience& patience
) {
    while (true) {
        const int error = client_.produce(*topic.handle, message, mark);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) return error;
        if (rd_kafka_outq_len(client_.native()) == 0) {
            return RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
        }
        if (patience.is_over()) return error;
        rd_kafka_poll(client_.native(), patience.slice(look));
    }
}

Result<void> TransactionalClient::await_reports(
    ChunkReports& reports, const Patience& patience
) {
    while (reports.failed().empty() && !reports.is_complete()) {
        if (patience.is_over()) {
            return patience.failure("messages were not acknowledged");
        }
        const auto error = rd_kafka_flush(client_.native(), patience.slice(look));
        // Nothing is on its way any more.
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
        const auto failed = trouble();
        if (failed) return *failed;
    }
    return {};
}

// Messages of a transaction that failed as a whole, because a partition may not be part
// of it or another owner took over, are not reported before they expire. To begin again
// is refused in any case, and the refusal tells the state.
std::optional<Failure> TransactionalClient::trouble() {
    const ErrorHandle refusal{rd_kafka_begin_transaction(client_.native())};
    if (!refusal) return fail(Errc::aborted, "the transaction was lost");
    const bool failed = rd_kafka_error_is_fatal(refusal.get()) ||
                        rd_kafka_error_txn_requires_abort(refusal.get());
    if (!failed) return std::nullopt;
    return failure_of(*refusal);
}

// A time-out ends the transaction at the broker as well, so the wait is not without end;
// after one the producer is destroyed, whatever state the client thinks it is in.
Result<void> TransactionalClient::commit(const Patience& patience) {
    while (true) {
        const ErrorHandle error{rd_kafka_commit_transaction(
            client_.native(), patience.slice(milliseconds::max())
        )};
        if (!error) return {};
        const bool again = rd_kafka_error_is_retriable(error.get()) &&
                           !rd_kafka_error_txn_requires_abort(error.get());
        if (!again) return failure_of(*error);
        if (patience.is_over())
            return patience.failure(rd_kafka_error_string(error.get()));
        patience.pause(retry_pause);
    }
}

void TransactionalClient::abort(milliseconds timeout) {
    const ErrorHandle ignored{
        rd_kafka_abort_transaction(client_.native(), static_cast<int>(timeout.count()))};
}

bool TransactionalClient::is_fenced() {
    std::array<char, 512> ignored{};
    return detail::is_fenced(
        rd_kafka_fatal_error(client_.native(), ignored.data(), ignored.size())
    );
}

Failure TransactionalClient::failure_of(const rd_kafka_error_t& error) const {
    const int code = rd_kafka_error_code(&error);
    const std::string words = rd_kafka_error_string(&error);
    if (detail::is_fenced(code)) return fail(Errc::fenced, words);
    return fail(request_error(code), words);
}

}  // namespace resilience::kafka::detail
