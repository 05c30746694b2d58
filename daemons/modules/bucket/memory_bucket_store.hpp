// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_MEMORY_BUCKET_STORE_HPP
#define RESILIENCE_MODULES_BUCKET_MEMORY_BUCKET_STORE_HPP

#include <modules/bucket/bucket_store.hpp>

#include <resilience/clock.hpp>
#include <resilience/keyed_limiter.hpp>

#include <functional>
#include <shared_mutex>

namespace resilience::modules::bucket {

/** Keeps the buckets in the process: each server has limits of its own, and they begin
    full with it.

    @par Errors
    @li Errc::queue_full A key without room of its own was to be reset.

    @par Thread safety
    Safe. A group is taken while nobody else decides, so it takes from all or from none;
    only what keys without room of their own share may lose tokens to a refusal.
*/
class MemoryBucketStore final : public BucketStore {
public:
    using Now = std::function<TimePoint()>;

    /// Keys whose buckets may be other than full at once, unless told otherwise; more
    /// share buckets, which is stricter.
    static constexpr std::size_t default_keys = 65'536;

    /// @throws std::invalid_argument The limit has too many digits to be kept exactly.
    explicit MemoryBucketStore(
        const BucketLimit& limit, Now now = Clock::now, std::size_t keys = default_keys
    );

    net::awaitable<Result<Decision>> check(TokenRequest request) override;
    net::awaitable<Result<Decision>> consume(TokenRequest request) override;
    net::awaitable<Result<std::vector<Decision>>> consume_each(
        std::vector<TokenRequest> requests
    ) override;
    net::awaitable<Result<GroupDecision>> consume_all(std::vector<TokenRequest> requests
    ) override;
    net::awaitable<Result<void>> reset(std::string key) override;
    net::awaitable<Result<void>> ping() override;
    std::optional<KeyedLimiterStats> occupancy() const override {
        return buckets_.stats(now_());
    }

private:
    Decision consume_now(const TokenRequest& request, TimePoint now);
    Decision decision(const std::string& key, Admission admission, TimePoint now);
    void decide_group(
        const std::vector<TokenRequest>& requests, TimePoint now, GroupDecision& group
    );

    std::uint32_t capacity_;
    Now now_;
    KeyedLimiter buckets_;
    // Shared by those who decide for one key, exclusive for a group.
    std::shared_mutex groups_;
};

}  // namespace resilience::modules::bucket

#endif
