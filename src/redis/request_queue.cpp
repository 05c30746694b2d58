// SPDX-License-Identifier: MIT
#include "request_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::redis::detail {

void RequestQueue::send(std::string& out, std::size_t max_bytes) {
    while (!waiting_.empty() && out.size() < max_bytes) {
        RequestPtr request = std::move(waiting_.front());
        waiting_.pop_front();
        out += request->wire.bytes();
        request->wire = {};
        const TimePoint deadline = request->deadline;
        sent_.push_back({deadline, std::move(request)});
    }
}

RequestPtr RequestQueue::answer() {
    RequestPtr request = std::move(sent_.front().request);
    sent_.pop_front();
    if (expired_ > 0) --expired_;
    return request;
}

RequestQueue::GivenUp RequestQueue::expire(TimePoint now) {
    GivenUp given_up;
    for (; expired_ < sent_.size() && sent_[expired_].deadline <= now; ++expired_) {
        auto& request = sent_[expired_].request;
        if (request) given_up.sent.push_back(std::move(request));
    }
    while (!waiting_.empty() && waiting_.front()->deadline <= now) {
        given_up.waiting.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
    }
    return given_up;
}

RequestQueue::GivenUp RequestQueue::cancel(std::uint64_t key, bool also_sent) {
    GivenUp given_up;
    if (also_sent) {
        for (auto& [deadline, request] : sent_) {
            if (request && request->cancel_key == key) {
                given_up.sent.push_back(std::move(request));
            }
        }
    }
    const auto first = std::stable_partition(
        waiting_.begin(),
        waiting_.end(),
        [key](const RequestPtr& request) { return request->cancel_key != key; }
    );
    std::move(first, waiting_.end(), std::back_inserter(given_up.waiting));
    waiting_.erase(first, waiting_.end());
    return given_up;
}

std::optional<TimePoint> RequestQueue::next_deadline() const {
    if (expired_ < sent_.size()) return sent_[expired_].deadline;
    if (!waiting_.empty()) return waiting_.front()->deadline;
    return std::nullopt;
}

std::vector<RequestPtr> RequestQueue::take_sent() {
    std::vector<RequestPtr> taken;
    taken.reserve(sent_.size());
    for (auto& [deadline, request] : sent_) taken.push_back(std::move(request));
    sent_.clear();
    expired_ = 0;
    return taken;
}

std::vector<RequestPtr> RequestQueue::take_waiting() {
    std::vector<RequestPtr> taken{
        std::make_move_iterator(waiting_.begin()),
        std::make_move_iterator(waiting_.end())};
    waiting_.clear();
    return taken;
}

}  // namespace resilience::redis::detail
