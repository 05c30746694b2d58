// SPDX-License-Identifier: MIT
#include <modules/bucket/memory_bucket_store.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

namespace resilience::modules::bucket {
namespace {

// What a group wants from one key, and where it first says so.
struct Want {
    std::uint64_t tokens = 0;
    std::size_t position = 0;
};

}  // namespace

MemoryBucketStore::MemoryBucketStore(const BucketLimit& limit, Now now, std::size_t keys)
    : capacity_(limit.capacity),
      now_(std::move(now)),
      buckets_(
          {.limit =
               {.tokens = limit.tokens, .period = limit.period, .burst = limit.capacity},
           .keys = keys},
          now_()
      ) {}

Decision MemoryBucketStore::decision(
    const std::string& key, Admission admission, TimePoint now
) {
    const LimiterSnapshot level = buckets_.snapshot(key, now);
    return {admission, level.available, level.until_full};
}

Decision MemoryBucketStore::consume_now(const TokenRequest& request, TimePoint now) {
    const Admission admission = buckets_.try_acquire(request.key, request.tokens, now);
    return decision(request.key, admission, now);
}

net::awaitable<Result<Decision>> MemoryBucketStore::check(TokenRequest request) {
    const std::shared_lock lock{groups_};
    const TimePoint now = now_();
    co_return decision(request.key, buckets_.peek(request.key, request.tokens, now), now);
}

net::awaitable<Result<Decision>> MemoryBucketStore::consume(TokenRequest request) {
    const std::shared_lock lock{groups_};
    co_return consume_now(request, now_());
}

net::awaitable<Result<std::vector<Decision>>> MemoryBucketStore::consume_each(
    std::vector<TokenRequest> requests
) {
    const std::shared_lock lock{groups_};
    const TimePoint now = now_();
    std::vector<Decision> decisions;
    decisions.reserve(requests.size());
    for (const auto& each : requests) decisions.push_back(consume_now(each, now));
    co_return decisions;
}

net::awaitable<Result<GroupDecision>> MemoryBucketStore::consume_all(
    std::vector<TokenRequest> requests
) {
    const std::unique_lock lock{groups_};
    const TimePoint now = now_();
    GroupDecision group;
    decide_group(requests, now, group);
    for (const auto& each : requests) {
        group.decisions.push_back(decision(each.key, group.admission, now));
    }
    co_return group;
}

void MemoryBucketStore::decide_group(
    const std::vector<TokenRequest>& requests, TimePoint now, GroupDecision& group
) {
    std::map<std::string_view, Want> wants;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        auto& want = wants.try_emplace(requests[i].key, Want{0, i}).first->second;
        want.tokens += requests[i].tokens;
    }
    group.admission = Admission::admit();
    std::vector<KeyedRequest> parts;
    for (const auto& [key, want] : wants) {
        // One more than the capacity is as impossible as any number beyond.
        const auto tokens =
            static_cast<std::uint32_t>(std::min(want.tokens, std::uint64_t{capacity_} + 1)
            );
        const Admission own = buckets_.peek(key, tokens, now);
        if (!own && own.retry_after > group.admission.retry_after) {
            group.admission = own;
            group.binding = want.position;
        }
        parts.push_back({key, tokens});
    }
    // Keys that found no room of their own share a bucket, so the sum may still be
    // refused.
    if (group.admission) group.admission = buckets_.try_acquire_all(parts, now);
}

net::awaitable<Result<void>> MemoryBucketStore::reset(std::string key) {
    const std::shared_lock lock{groups_};
    if (!buckets_.reset(key, now_())) {
        co_return fail(Errc::queue_full, "too many keys have buckets that are not full");
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> MemoryBucketStore::ping() { co_return Result<void>{}; }

}  // namespace resilience::modules::bucket
