// SPDX-License-Identifier: MIT
#include "kafka/consumer_session.hpp"
#include "kafka/partition_list.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// How often the wait for an answer looks whether it was stopped, and the pause before a
// retry.
constexpr milliseconds look{100};
constexpr milliseconds retry_pause{50};

std::string text_of(const TopicPartition& partition) {
    return partition.topic + '[' + std::to_string(partition.partition) + ']';
}

Failure in_doubt(const Patience& patience, std::string words) {
    const bool cancelled = patience.failure({}) == Errc::cancelled;
    return fail(
        cancelled ? Errc::cancelled_in_doubt : Errc::timed_out_in_doubt, std::move(words)
    );
}

Result<void> check(const std::vector<NextOffset>& offsets) {
    std::vector<TopicPartition> seen;
    for (const auto& offset : offsets) {
        if (offset.next < 0) {
            return fail(Errc::invalid_request, "offsets: must not be negative");
        }
        seen.push_back(offset.partition);
    }
    std::ranges::sort(seen);
    if (std::ranges::adjacent_find(seen) != seen.end()) {
        return fail(Errc::invalid_request, "offsets: must not name a partition twice");
    }
    return {};
}

}  // namespace

Result<void> ConsumerSession::commit(
    const std::vector<NextOffset>& offsets, const std::stop_token& stop
) {
    if (closed_) return fail(Errc::closed);
    const auto checked = check(offsets);
    if (!checked) return checked;
    const bool lost =
        client_ && (is_overdue() || rd_kafka_assignment_lost(client_.get()) != 0);
    std::vector<NextOffset> due;
    std::string refused;
    for (const auto& offset : offsets) {
        const auto claim = owned_.claim(offset);
        if (lost || claim == OwnedPartitions::Claim::refused) {
            refused += (refused.empty() ? "" : ", ") + text_of(offset.partition);
        } else if (claim == OwnedPartitions::Claim::due) {
            due.push_back(offset);
        }
    }
    Result<void> done;
    if (!due.empty()) done = send(due, {Clock::now() + options_.commit_timeout, stop});
    if (done && !refused.empty()) {
        done = fail(Errc::fenced, "not this consumer's any more: " + refused);
    }
    const std::lock_guard lock(mutex_);
    ++(done ? counters_.commits : counters_.failed_commits);
    return done;
}

Result<void> ConsumerSession::send(
    std::vector<NextOffset> due, const Patience& patience
) {
    while (true) {
        // Its own: an answer that comes too late goes with it.
        const QueueHandle answers{rd_kafka_queue_new(client_.get())};
        const auto error = rd_kafka_commit_queue(
            client_.get(), list_of(due).get(), answers.get(), nullptr, nullptr
        );
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failure_of(error);
        EventHandle answer;
        while (!answer) {
            answer.reset(rd_kafka_queue_poll(answers.get(), patience.slice(look)));
            if (!answer && patience.is_over()) {
                return in_doubt(patience, "the group did not answer the commit");
            }
        }
        const auto failure = settle(*answer, due);
        if (!failure) return {};
        if (!is_retryable(failure->code)) return *failure;
        if (patience.is_over()) return in_doubt(patience, failure->message());
        patience.pause(retry_pause);
    }
}

// Leaves in `due` what is to be tried again.
std::optional<Failure> ConsumerSession::settle(
    rd_kafka_event_t& answer, std::vector<NextOffset>& due
) {
    const auto error = rd_kafka_event_error(&answer);
    const auto* list = rd_kafka_event_topic_partition_list(&answer);
    if (parts(list).empty()) {
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
        return failure_of(error);
    }
    due.clear();
    std::optional<Failure> passing;
    std::optional<Failure> lasting;
    for (const auto& part : parts(list)) {
        const NextOffset offset{{part.topic, part.partition}, part.offset};
        const auto code = part.err != RD_KAFKA_RESP_ERR_NO_ERROR ? part.err : error;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            owned_.committed(offset);
            continue;
        }
        auto failure = failure_of(code, text_of(offset.partition));
        if (is_retryable(failure.code)) {
            due.push_back(offset);
            passing = std::move(failure);
        } else {
            lasting = std::move(failure);
        }
    }
    return lasting ? lasting : passing;
}

}  // namespace resilience::kafka::detail
