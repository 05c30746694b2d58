// SPDX-License-Identifier: MIT
#include "kafka/delivery_plan.hpp"

#include <resilience/cloud_event.hpp>

#include <algorithm>
#include <utility>

namespace resilience::kafka::detail {
namespace {

constexpr int idle_round_limit = 3;

// The message failed because of others or of the producer's end, not by itself.
bool is_bystander(const Failure& failure) {
    return failure == Errc::cancelled || failure == Errc::cancelled_in_doubt ||
           failure == Errc::closed || failure == Errc::queue_full;
}

// A broker says so of all messages that it received together.
bool may_be_the_neighbours_fault(const Failure& failure) {
    return failure == Errc::too_large || failure == Errc::invalid_request;
}

}  // namespace

DeliveryPlan::DeliveryPlan(std::span<const ClaimedEvent> events)
    : events_(events), results_(events.size()) {}

std::vector<std::size_t> DeliveryPlan::next() {
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < events_.size(); ++i) {
        if (results_[i]) continue;
        if (is_blocked(i)) {
            fail_event(i, fail(Errc::cancelled, "an earlier event of the key failed"));
            continue;
        }
        // What is sent alone is not sent together with what comes behind it.
        if (i >= single_until_ && !indexes.empty() && indexes.front() < single_until_)
            break;
        indexes.push_back(i);
        if (i < single_until_) break;
    }
    return indexes;
}

bool DeliveryPlan::report(
    std::span<const std::size_t> sent, std::span<const Result<DeliveryReport>> reports
) {
    bool alive = false;
    bool decided = false;
    std::optional<Failure> down;
    std::optional<Failure> last;
    for (std::size_t k = 0; k < sent.size(); ++k) {
        const std::size_t i = sent[k];
        if (reports[k]) {
            results_[i] = Result<void>{};
            alive = decided = true;
            continue;
        }
        const Failure& failure = reports[k].error();
        last = failure;
        if (is_bystander(failure)) continue;
        decided = true;
        if (is_retryable(failure.code)) {
            fail_event(i, failure);
            down = failure;
        } else if (sent.size() > 1 && may_be_the_neighbours_fault(failure)) {
            single_until_ = std::max(single_until_, i + 1);
            alive = true;
        } else {
            fail_event(i, failure);
            alive = true;
        }
    }
    idle_rounds_ = decided ? 0 : idle_rounds_ + 1;
    if (down) {
        stop(*down);
    } else if (idle_rounds_ >= idle_round_limit) {
        stop(fail(Errc::unavailable, last ? last->message() : std::string{}));
    }
    return alive;
}

void DeliveryPlan::refuse(std::size_t index, Failure failure) {
    fail_event(index, std::move(failure));
}

void DeliveryPlan::stop(const Failure& failure) {
    for (auto& result : results_) {
        if (!result) result = Result<void>{failure};
    }
}

std::vector<Result<void>> DeliveryPlan::take_results() {
    std::vector<Result<void>> results;
    results.reserve(results_.size());
    for (auto& result : results_) results.push_back(std::move(*result));
    return results;
}

bool DeliveryPlan::is_blocked(std::size_t index) const {
    return !failed_keys_.empty() &&
           failed_keys_.contains(ordering_key(events_[index].event));
}

void DeliveryPlan::fail_event(std::size_t index, Failure failure) {
    results_[index] = Result<void>{std::move(failure)};
    failed_keys_.insert(ordering_key(events_[index].event));
}

}  // namespace resilience::kafka::detail
