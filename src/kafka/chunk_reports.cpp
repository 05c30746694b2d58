// SPDX-License-Identifier: MIT
#include "kafka/chunk_reports.hpp"

#include "kafka/error_map.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace resilience::kafka::detail {
namespace {

bool is_payload(const Failure& failure) {
    return failure == Errc::too_large || failure == Errc::invalid_request;
}

bool is_destination(const Failure& failure) {
    return failure == Errc::bad_destination || failure == Errc::access_denied;
}

// What the engine is to know first: what does not pass by itself.
int rank(const Failure& failure) {
    if (is_payload(failure)) return 3;
    if (is_destination(failure)) return 2;
    if (is_retryable(failure.code)) return 1;
    return 0;
}

}  // namespace

ChunkVerdict judge(const std::vector<FailedMessage>& failed, std::size_t events) {
    std::map<std::string, std::size_t> judged_together;
    const FailedMessage* worst = &failed.front();
    for (const auto& one : failed) {
        if (is_payload(one.failure) && !one.alone) ++judged_together[one.place];
        const int difference = rank(one.failure) - rank(worst->failure);
        if (difference > 0 || (difference == 0 && one.index < worst->index)) worst = &one;
    }
    ChunkVerdict verdict{worst->failure, worst->index, {}};
    for (const auto& one : failed) {
        const bool to_blame =
            is_destination(one.failure) ||
            (is_payload(one.failure) && (one.alone || judged_together[one.place] == 1));
        if (to_blame && one.index < events) {
            verdict.refusals.push_back({one.index, one.failure});
        }
    }
    std::ranges::sort(verdict.refusals, {}, &LaneRefusal::event);
    if (rank(worst->failure) == 0) {
        verdict.failure = fail(Errc::aborted, worst->failure.message());
    } else if (rank(worst->failure) > 1 && worst->index >= events) {
        verdict.failure.detail = "the position record: " + verdict.failure.detail;
    }
    return verdict;
}

ChunkReports::ChunkReports(std::size_t messages) {
    marks_.reserve(messages);
    for (std::size_t i = 0; i < messages; ++i) marks_.emplace_back(*this, i);
}

void ChunkReports::refuse(std::size_t index, Failure failure) {
    failed_.push_back({index, std::move(failure), {}, true});
}

void ChunkReports::reported(Mark& mark, const rd_kafka_message_t& message) {
    if (std::exchange(mark.reported, true)) return;
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++delivered_;
        return;
    }
    // Whatever was written, it is aborted: nothing is in doubt.
    failed_.push_back(
        {mark.index,
         fail(delivery_error(message.err, false), rd_kafka_err2str(message.err)),
         std::string{rd_kafka_topic_name(message.rkt)} + '/' +
             std::to_string(message.partition),
         false}
    );
}

}  // namespace resilience::kafka::detail
