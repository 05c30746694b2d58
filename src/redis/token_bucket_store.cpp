// SPDX-License-Identifier: MIT
#include <resilience/redis/token_bucket_store.hpp>

#include "bucket_script.hpp"
#include "multiplexer.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace resilience::redis {

struct TokenBucketStore::Impl {
    std::shared_ptr<detail::Multiplexer> core;
    detail::BucketCodec codec;
};

namespace {

using detail::BucketCodec;
using detail::BucketMode;
using detail::Multiplexer;
using Decisions = std::vector<BucketDecision>;

constexpr std::size_t longest_key = 1024;
// Keys of one script when they need not be decided together: the server answers nobody
// else while a script runs.
constexpr std::size_t chunk_size = 100;

// One call of the script. Repeats itself once, with the text, if the server does not know
// the script.
template <class Done>
class ScriptRequest final : public detail::Request {
public:
    ScriptRequest(
        std::shared_ptr<Multiplexer> core,
        const BucketCodec& codec,
        std::shared_ptr<void> owner,
        BucketMode mode,
        std::vector<BucketRequest> requests,
        std::uint64_t key,
        Done done,
        bool with_text = false
    )
        : Request(codec.encode(with_text ? "EVAL" : "EVALSHA", mode, requests), key),
          core_(std::move(core)),
          codec_(codec),
          owner_(std::move(owner)),
          mode_(mode),
          requests_(std::move(requests)),
          done_(std::move(done)),
          with_text_(with_text) {}

    void complete(Result<Reply> result) override {
        if (!result) return done_(Result<Decisions>(result.error()));
        const bool unknown = result->is_error() && result->text.starts_with("NOSCRIPT");
        if (!unknown || with_text_) {
            return done_(codec_.decode(std::move(*result), requests_));
        }
        auto core = core_;
        core->submit(std::make_unique<ScriptRequest>(
            std::move(core_),
            codec_,
            std::move(owner_),
            mode_,
            std::move(requests_),
            cancel_key,
            std::move(done_),
            true
        ));
    }

private:
    std::shared_ptr<Multiplexer> core_;
    const BucketCodec& codec_;
    std::shared_ptr<void> owner_;  // of the codec
    BucketMode mode_;
    std::vector<BucketRequest> requests_;
    Done done_;
    bool with_text_;
};

template <class Impl, class Done>
detail::RequestPtr script_request(
    const std::shared_ptr<Impl>& impl,
    BucketMode mode,
    std::vector<BucketRequest> requests,
    std::uint64_t key,
    Done done
) {
    return std::make_unique<ScriptRequest<Done>>(
        impl->core, impl->codec, impl, mode, std::move(requests), key, std::move(done)
    );
}

std::optional<Failure> refusal(std::span<const BucketRequest> requests) {
    if (requests.size() > TokenBucketStore::max_requests) {
        return fail(Errc::invalid_request, "requests: at most 1000 at once");
    }
    for (const auto& request : requests) {
        if (request.key.size() > longest_key) {
            return fail(Errc::invalid_request, "key: at most 1024 bytes");
        }
    }
    return std::nullopt;
}

BucketDecision too_many(std::uint64_t limit) {
    return {.admission = Admission::refuse(Admission::never), .limit = limit};
}

// The calls of one `async_consume_each`. Touched in the connection's strand alone.
struct EachOperation {
    EachOperation(detail::Completion<Decisions> handler, Decisions answers)
        : completion(std::move(handler)), decisions(std::move(answers)) {}

    detail::Completion<Decisions> completion;
    Decisions decisions;
    std::size_t outstanding = 0;
    bool some_done = false;
    std::optional<Failure> failure;

    void finish(const std::vector<std::size_t>& places, Result<Decisions> result) {
        if (result) {
            some_done = true;
            for (std::size_t i = 0; i < places.size(); ++i) {
                decisions[places[i]] = (*result)[i];
            }
        } else if (!failure || is_in_doubt(result.error().code)) {
            failure = result.error();
        }
        if (--outstanding > 0) return;
        if (!failure) return completion(std::move(decisions));
        if (some_done && !is_in_doubt(failure->code)) {
            failure = fail(
                Errc::connection_lost, "a part was decided, then: " + failure->message()
            );
        }
        completion(std::move(*failure));
    }
};

// Requests for one key become one, since a script that takes all or nothing must see
// each key once; `of` says where each request went.
struct Merged {
    std::vector<BucketRequest> unique;
    std::vector<std::size_t> of;
};

Merged merge(std::vector<BucketRequest> requests, std::uint64_t burst) {
    Merged merged;
    merged.of.reserve(requests.size());
    std::unordered_map<std::string, std::size_t> places;
    for (auto& request : requests) {
        const auto [place, fresh] = places.try_emplace(request.key, merged.unique.size());
        merged.of.push_back(place->second);
        if (fresh) {
            merged.unique.push_back(std::move(request));
        } else {
            // More than the burst is too much, however much: no sum overflows.
            auto& sum = merged.unique[place->second].tokens;
            sum = std::min(sum, burst + 1) + std::min(request.tokens, burst + 1);
        }
    }
    return merged;
}

GroupDecision group_of(const std::vector<std::size_t>& of, const Decisions& unique) {
    GroupDecision group;
    group.admission = Admission::admit();
    std::size_t longest = 0;
    for (std::size_t k = 0; k < unique.size(); ++k) {
        const auto& admission = unique[k].admission;
        if (!admission && admission.retry_after > group.admission.retry_after) {
            group.admission = admission;
            longest = k;
        }
    }
    group.buckets.reserve(of.size());
    for (const auto place : of) {
        group.buckets.push_back(unique[place]);
        group.buckets.back().admission = group.admission;
    }
    if (!group.admission) {
        group.binding = static_cast<std::size_t>(
            std::find(of.begin(), of.end(), longest) - of.begin()
        );
    }
    return group;
}

class ResetRequest final : public detail::Request {
public:
    ResetRequest(
        detail::Wire command, std::uint64_t key, detail::Completion<void> completion
    )
        : Request(std::move(command), key), completion_(std::move(completion)) {}

    void complete(Result<Reply> result) override {
        if (!result) return completion_(result.error());
        if (result->is_error()) return completion_(detail::script_failure(result->text));
        completion_(Result<void>{});
    }

private:
    detail::Completion<void> completion_;
};

}  // namespace

TokenBucketStore::TokenBucketStore(
    Connection& connection, TokenBucketStoreOptions options
)
    : impl_(std::make_shared<Impl>(Impl{
          connection.core_, detail::BucketCodec(std::move(options))})) {
    impl_->core->preload({"SCRIPT", "LOAD", std::string(detail::bucket_script())});
}

TokenBucketStore::executor_type TokenBucketStore::get_executor() const {
    return impl_->core->executor();
}

const TokenBucketStoreOptions& TokenBucketStore::options() const noexcept {
    return impl_->codec.options();
}

void TokenBucketStore::One::operator()(
    Handler<BucketDecision> handler, BucketRequest request
) const {
    const auto slot = net::get_associated_cancellation_slot(handler);
    detail::Completion<BucketDecision> completion(
        std::move(handler), impl->core->executor()
    );
    const auto burst = impl->codec.options().burst;
    if (auto failure = refusal({&request, 1})) return completion(std::move(*failure));
    if (request.tokens > burst) return completion(too_many(burst));

    const auto key = impl->core->next_cancel_key();
    impl->core->cancel_through(slot, key);
    std::vector<BucketRequest> requests;
    requests.push_back(std::move(request));
    impl->core->submit(script_request(
        impl,
        take ? BucketMode::each : BucketMode::check,
        std::move(requests),
        key,
        [completion = std::move(completion)](Result<Decisions> result) mutable {
            if (!result) return completion(result.error());
            completion(result->front());
        }
    ));
}

void TokenBucketStore::Each::operator()(
    Handler<std::vector<BucketDecision>> handler, std::vector<BucketRequest> requests
) const {
    const auto slot = net::get_associated_cancellation_slot(handler);
    detail::Completion<Decisions> completion(std::move(handler), impl->core->executor());
    if (auto failure = refusal(requests)) return completion(std::move(*failure));

    const auto burst = impl->codec.options().burst;
    std::vector<std::size_t> possible;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (requests[i].tokens <= burst) possible.push_back(i);
    }
    Decisions decisions(requests.size(), too_many(burst));
    if (possible.empty()) return completion(std::move(decisions));

    auto operation =
        std::make_shared<EachOperation>(std::move(completion), std::move(decisions));
    const auto key = impl->core->next_cancel_key();
    impl->core->cancel_through(slot, key);
    std::vector<detail::RequestPtr> calls;
    for (std::size_t first = 0; first < possible.size(); first += chunk_size) {
        const auto last = std::min(first + chunk_size, possible.size());
        std::vector<std::size_t> places;
        std::vector<BucketRequest> part;
        for (std::size_t i = first; i < last; ++i) {
            places.push_back(possible[i]);
            part.push_back(std::move(requests[possible[i]]));
        }
        calls.push_back(script_request(
            impl,
            BucketMode::each,
            std::move(part),
            key,
            [operation, places = std::move(places)](Result<Decisions> result) {
                operation->finish(places, std::move(result));
            }
        ));
    }
    operation->outstanding = calls.size();
    impl->core->submit(std::move(calls));
}

void TokenBucketStore::All::operator()(
    Handler<GroupDecision> handler, std::vector<BucketRequest> requests
) const {
    const auto slot = net::get_associated_cancellation_slot(handler);
    detail::Completion<GroupDecision> completion(
        std::move(handler), impl->core->executor()
    );
    if (auto failure = refusal(requests)) return completion(std::move(*failure));

    const auto burst = impl->codec.options().burst;
    auto [unique, of] = merge(std::move(requests), burst);
    Decisions decisions(unique.size());
    bool possible = true;
    for (std::size_t k = 0; k < unique.size(); ++k) {
        decisions[k] = too_many(burst);
        if (unique[k].tokens <= burst)
            decisions[k].admission = Admission::admit();
        else
            possible = false;
    }
    if (unique.empty() || !possible) return completion(group_of(of, decisions));

    const auto key = impl->core->next_cancel_key();
    impl->core->cancel_through(slot, key);
    impl->core->submit(script_request(
        impl,
        BucketMode::all,
        std::move(unique),
        key,
        [completion = std::move(completion),
         places = std::move(of)](Result<Decisions> result) mutable {
            if (!result) return completion(result.error());
            completion(group_of(places, *result));
        }
    ));
}

void TokenBucketStore::Reset::operator()(Handler<void> handler, std::string key) const {
    const auto slot = net::get_associated_cancellation_slot(handler);
    detail::Completion<void> completion(std::move(handler), impl->core->executor());
    const BucketRequest request{std::move(key), 0};
    if (auto failure = refusal({&request, 1})) return completion(std::move(*failure));

    const std::string name = impl->codec.options().prefix + request.key;
    const std::string_view args[] = {"DEL", name};
    const auto cancel_key = impl->core->next_cancel_key();
    impl->core->cancel_through(slot, cancel_key);
    impl->core->submit(std::make_unique<ResetRequest>(
        detail::Wire(args), cancel_key, std::move(completion)
    ));
}

}  // namespace resilience::redis
