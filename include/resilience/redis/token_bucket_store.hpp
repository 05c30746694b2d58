// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_REDIS_TOKEN_BUCKET_STORE_HPP
#define RESILIENCE_REDIS_TOKEN_BUCKET_STORE_HPP

#include <resilience/admission.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
#include <resilience/redis/connection.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::redis {

/// Settings of a @ref TokenBucketStore: each key's bucket holds `burst` tokens and gains
/// `tokens` in each `period`.
struct TokenBucketStoreOptions {
    /// Tokens gained in each period. 1 to 10^12; default 1.
    std::uint64_t tokens = 1;

    /// 1 us to 366 days; default 1 s.
    std::chrono::nanoseconds period = std::chrono::seconds{1};

    /// Tokens that a full bucket holds. 1 to 10^12, and filled within 100 years; default
    /// 10.
    std::uint64_t burst = 10;

    /// What stands before each key in Redis. Stores with different limits need different
    /// prefixes. At most 256 bytes; default "bucket:".
    std::string prefix = "bucket:";

    /// Shortest life of a key that was written. A bucket is forgotten once it is full
    /// again, which changes no answer; this floor keeps it through a forward step of the
    /// server's clock that is corrected soon. 1 ms to 366 days; default 1 min.
    std::chrono::milliseconds min_ttl = std::chrono::minutes{1};
};

/// One key and the tokens wanted from it.
struct BucketRequest {
    /// At most 1,024 bytes, any of them.
    std::string key;
    /// Zero takes nothing and is always admitted. Default 1.
    std::uint64_t tokens = 1;

    friend bool operator==(const BucketRequest&, const BucketRequest&) = default;
};

/// The answer for one key.
struct BucketDecision {
    Admission admission;
    /// Whole tokens left after the decision; zero if the server was not asked because the
    /// request exceeds the limit.
    std::uint64_t remaining = 0;
    /// Tokens that a full bucket holds.
    std::uint64_t limit = 0;
    /// Time until the bucket is full if nobody takes from it.
    std::chrono::nanoseconds time_to_full{0};

    friend bool operator==(const BucketDecision&, const BucketDecision&) = default;
};

/// The answer for keys that are taken from together or not at all.
struct GroupDecision {
    /// Refused as long as any of the keys lacks tokens; the wait is the longest of
    /// theirs.
    Admission admission;
    /// Position of the key that has to wait longest; zero when admitted.
    std::size_t binding = 0;
    /// One for each request, in their order; each carries the group's admission.
    std::vector<BucketDecision> buckets;
};

/** Keeps token buckets in Redis, so that many processes share one limit.

    A bucket is one key, a call is one script in one round trip, and the server's clock
    decides. Arithmetic is exact: over any time `t` a key admits at most
    `burst + tokens * t / period`. A refusal writes nothing. When the script is not known
   to the server (it was restarted, or its scripts were flushed), the call is repeated
   once with the script's text, and with a deadline of its own; an unknown script has had
   no effect.

    The store decides and records, and never guesses: when Redis does not answer the call
    fails, and whether to admit then is the caller's choice. Redis Cluster is not
   supported. Give the buckets an instance that does not evict (`maxmemory-policy
   noeviction`): an evicted bucket is a full one.

    @par Errors
    Those of @ref Connection::async_command, and
    @li `corrupt_data` A key holds something that is not a bucket; the detail names it,
   and
    @ref async_reset cures it. Nothing was taken.
    @li `invalid_request` A key is longer than 1,024 bytes, or more than 1,000 requests
   came at once. Nothing was taken. In doubt means that tokens may be gone, never that too
   many were admitted.

    @par Cancellation
    As for @ref Connection::async_command.

    @par Thread safety
    Safe, shared objects included.

    @par Object lifetimes
    Keeps what it needs of the connection; after the connection is destroyed each call
    completes with `closed`.
*/
class TokenBucketStore {
public:
    using executor_type = net::any_io_executor;

    /// Most requests in one call.
    static constexpr std::size_t max_requests = 1000;

    /** Makes a store whose calls go through `connection`.

        @throws std::invalid_argument Names the option that is out of range.
    */
    TokenBucketStore(Connection& connection, TokenBucketStoreOptions options);

    executor_type get_executor() const;
    const TokenBucketStoreOptions& options() const noexcept;

    /// Tells whether `tokens` could be taken now. Takes nothing.
    template <class CompletionToken = net::deferred_t>
    auto async_check(
        std::string_view key, std::uint64_t tokens = 1, CompletionToken&& token = {}
    ) {
        return net::async_initiate<CompletionToken, void(Result<BucketDecision>)>(
            One{impl_, false}, token, BucketRequest{std::string{key}, tokens}
        );
    }

    /// Takes `tokens`, or none. More than `burst` are refused with @ref Admission::never,
    /// without asking the server.
    template <class CompletionToken = net::deferred_t>
    auto async_consume(
        std::string_view key, std::uint64_t tokens = 1, CompletionToken&& token = {}
    ) {
        return net::async_initiate<CompletionToken, void(Result<BucketDecision>)>(
            One{impl_, true}, token, BucketRequest{std::string{key}, tokens}
        );
    }

    /** Decides each request by itself, in their order; a key may occur more than once.

        Sent as scripts of at most 100 keys, one after the other in one write. If any of
        them fails the call fails, in doubt when others may have taken tokens.
    */
    template <class CompletionToken = net::deferred_t>
    auto async_consume_each(
        std::vector<BucketRequest> requests, CompletionToken&& token = {}
    ) {
        return net::
            async_initiate<CompletionToken, void(Result<std::vector<BucketDecision>>)>(
                Each{impl_}, token, std::move(requests)
            );
    }

    /// Takes from all the keys, or from none of them, in one script; requests for the
    /// same key add up.
    template <class CompletionToken = net::deferred_t>
    auto async_consume_all(
        std::vector<BucketRequest> requests, CompletionToken&& token = {}
    ) {
        return net::async_initiate<CompletionToken, void(Result<GroupDecision>)>(
            All{impl_}, token, std::move(requests)
        );
    }

    /// Fills the bucket at `key`.
    template <class CompletionToken = net::deferred_t>
    auto async_reset(std::string_view key, CompletionToken&& token = {}) {
        return net::async_initiate<CompletionToken, void(Result<void>)>(
            Reset{impl_}, token, std::string{key}
        );
    }

private:
    struct Impl;
    struct One {
        std::shared_ptr<Impl> impl;
        bool take;
        void operator()(Handler<BucketDecision> handler, BucketRequest request) const;
    };
    struct Each {
        std::shared_ptr<Impl> impl;
        void operator()(
            Handler<std::vector<BucketDecision>> handler,
            std::vector<BucketRequest> requests
        ) const;
    };
    struct All {
        std::shared_ptr<Impl> impl;
        void operator()(
            Handler<GroupDecision> handler, std::vector<BucketRequest> requests
        ) const;
    };
    struct Reset {
        std::shared_ptr<Impl> impl;
        void operator()(Handler<void> handler, std::string key) const;
    };

    std::shared_ptr<Impl> impl_;
};

}  // namespace resilience::redis

#endif
