// SPDX-License-Identifier: MIT
#include <resilience/relay.hpp>

#include "idle_policy.hpp"
#include "isolating_source.hpp"
#include "run_on_strand.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <stdexcept>
#include <utility>

namespace resilience {
namespace {

RelayOptions checked(const RelayOptions& options) {
    using std::chrono::milliseconds;
    if (options.batch_size < 1 || options.batch_size > 10'000) {
        throw std::invalid_argument("RelayOptions::batch_size must be 1 to 10000");
    }
    if (options.poll_interval < milliseconds{1}) {
        throw std::invalid_argument("RelayOptions::poll_interval must be at least 1 ms");
    }
    if (options.stale_after < milliseconds{1000}) {
        throw std::invalid_argument("RelayOptions::stale_after must be at least 1 s");
    }
    if (!options.now) throw std::invalid_argument("RelayOptions::now is empty");
    return options;
}

std::uint64_t seed_of(const RelayOptions& options) {
    return options.seed != 0 ? options.seed : std::random_device{}();
}

}  // namespace

struct Relay::Impl {
    Impl(
        net::any_io_executor ex,
        ClaimSource& from,
        EventSink& to,
        RelayOptions opts,
        Observer obs
    )
        : strand(net::make_strand(std::move(ex))),
          source(from),
          rows(from),
          sink(to),
          options(checked(opts)),
          observer(std::move(obs)),
          retry(options.retry),
          pause(options.pause),
          idle(detail::idle_policy(std::chrono::milliseconds{1}, options.poll_interval)),
          random(seed_of(options)),
          timer(strand) {}

    // All that is neither atomic nor behind the mutex is used on the strand alone.
    net::strand<net::any_io_executor> strand;
    ClaimSource& source;
    detail::IsolatingSource rows;
    EventSink& sink;
    RelayOptions options;
    Observer observer;
    RetryPolicy retry;
    RetryPolicy pause;
    RetryPolicy idle;
    std::mt19937_64 random;
    net::steady_timer timer;

    std::atomic<bool> stopping = false;
    bool woken = false;
    bool waiting_wakeably = false;
    std::uint32_t empty_looks = 0;
    std::uint32_t failures = 0;
    // Verdicts that the source has not taken yet; nothing is claimed while there are any.
    std::vector<Settlement> unsettled;
    TimePoint next_sweep{};
    TimePoint next_depth{};

    mutable std::mutex mutex;
    RelaySnapshot state;

    template <class Change>
    void update(Change change) {
        RelaySnapshot copy;
        {
            const std::lock_guard lock(mutex);
            change(state);
            if (!observer) return;
            copy = state;
        }
        observer(copy);
    }

    void count(const std::vector<Settlement>& settled) {
        update([&settled](RelaySnapshot& s) {
            for (const auto& settlement : settled) {
                switch (settlement.disposition) {
                    case Disposition::sent:
                        ++s.sent;
                        break;
                    case Disposition::retry:
                        ++s.retried;
                        break;
                    case Disposition::failed:
                        ++s.failed;
                        break;
                    case Disposition::released:
                        ++s.released;
                        break;
                }
            }
        });
    }

    void count(const detail::IsolatingSource::Isolated& isolated) {
        if (isolated.failed + isolated.skipped == 0) return;
        update([&isolated](RelaySnapshot& s) {
            s.failed += isolated.failed;
            s.skipped += isolated.skipped;
            s.refusal = isolated.refusal;
        });
    }

    net::awaitable<Result<void>> settle() {
        if (unsettled.empty()) co_return Result<void>{};
        auto settling = co_await rows.settle(std::move(unsettled));
        unsettled = std::move(settling.left);
        count(settling.settled);
        count(settling.isolated);
        if (settling.failure) co_return std::move(*settling.failure);
        co_return Result<void>{};
    }

    // Claims, delivers and settles. A failure is that of the source or, once all is
    // settled, that of a sink that is down.
    net::awaitable<Result<std::size_t>> batch(std::size_t limit) {
        if (auto settled = co_await settle(); !settled) co_return settled.error();
        auto claim = co_await rows.claim(limit);
        count(claim.isolated);
        if (!claim.events) co_return claim.events.error();
        const std::size_t claimed = claim.events->size();
        if (claimed == 0) co_return std::size_t{0};
        update([&](RelaySnapshot& s) { s.claimed += claimed; });

        const auto events = set_defective_apart(std::move(*claim.events));
        const auto down = co_await deliver(events);
        if (auto settled = co_await settle(); !settled) co_return settled.error();
        if (down) co_return *down;
        co_return claimed;
    }

    // Keeps the verdicts on rows that have a defect, and returns the others.
    std::vector<ClaimedEvent> set_defective_apart(std::vector<ClaimedEvent> events) {
        std::vector<ClaimedEvent> sound;
        sound.reserve(events.size());
        for (auto& event : events) {
            if (const auto defect = find_defect(event)) {
                unsettled.push_back(
                    {.seq = event.seq,
                     .disposition = Disposition::failed,
                     .error = defect->message()}
                );
            } else {
                sound.push_back(std::move(event));
            }
        }
        return sound;
    }

    // Keeps the verdicts. Returns why the destination is down, none when it is not.
    net::awaitable<std::optional<Failure>> deliver(const std::vector<ClaimedEvent>& events
    ) {
        std::optional<Failure> down;
        if (events.empty()) co_return down;
        const auto results = co_await sink.deliver(events);
        for (std::size_t i = 0; i < events.size(); ++i) {
            const Result<void> missing = fail(Errc::internal, "the sink gave no result");
            const auto& result = i < results.size() ? results[i] : missing;
            if (!result && is_retryable(result.error().code) && !down)
                down = result.error();
            unsettled.push_back(settle_delivery(events[i], result, retry, random()));
        }
        co_return down;
    }

    net::awaitable<Result<std::int64_t>> reset_stale() {
        // A row whose verdict is kept here is not abandoned, however old its claim is.
        if (!unsettled.empty()) co_return std::int64_t{0};
        co_return co_await source.reset_stale(options.stale_after);
    }

    // Housekeeping that need not happen on each turn.
    net::awaitable<Result<void>> sweep() {
        const auto now = options.now();
        // What is refused here must not keep events from being delivered: a source that
        // is down says so to the next claim too.
        const auto refused = [this](const Failure& failure) {
            if (!blames_rows(failure)) return false;
            update([&](RelaySnapshot& s) { s.refusal = failure.message(); });
            return true;
        };
        if (now >= next_sweep) {
            rows.forget();
            next_sweep = now + options.stale_after / 4;
            auto reset = co_await reset_stale();
            if (!reset && !refused(reset.error())) {
                next_sweep = now;
                co_return reset.error();
            }
            if (reset && *reset > 0) {
                update([&](RelaySnapshot& s) {
                    s.stale_reset += static_cast<std::uint64_t>(*reset);
                });
            }
        }
        if (now >= next_depth) {
            auto depth = co_await source.depth();
            if (!depth && !refused(depth.error())) co_return depth.error();
            next_depth = now + std::chrono::seconds{1};
            if (depth) update([&](RelaySnapshot& s) { s.depth = *depth; });
        }
        co_return Result<void>{};
    }

    net::awaitable<void> wait(std::chrono::nanoseconds delay, bool wakeable) {
        if (stopping || (wakeable && std::exchange(woken, false))) co_return;
        waiting_wakeably = wakeable;
        timer.expires_after(delay);
        boost::system::error_code ignored;
        co_await timer.async_wait(net::redirect_error(net::use_awaitable, ignored));
        waiting_wakeably = false;
        woken = false;
    }
    net::awaitable<void> suffer(const Failure& failure) {
        ++failures;
        update([&](RelaySnapshot& s) {
            ++s.pauses;
            if (!s.paused) s.paused_since = options.now();
            s.paused = true;
            s.reason = failure.message();
        });
        co_await wait(pause.delay(failures, random()), false);
    }

    void recover() {
        if (std::exchange(failures, 0) == 0) return;
        update([](RelaySnapshot& s) {
            s.paused = false;
            s.reason.clear();
        });
    }

    net::awaitable<void> run() {
        while (!stopping) {
            auto swept = co_await sweep();
            if (!swept) {
                co_await suffer(swept.error());
                continue;
            }
            // While the destination is down one event alone probes it.
            auto done = co_await batch(failures > 0 ? 1 : options.batch_size);
            if (!done) {
                co_await suffer(done.error());
                continue;
            }
            if (*done > 0) {
                recover();
                empty_looks = 0;
            } else {
                // An empty table says nothing of the sink, but there is nothing to pause
                // for.
                recover();
                co_await wait(idle.delay(++empty_looks, 0), true);
            }
        }
        // Last chance for verdicts whose source was down; what is left is reset as stale
        // by the relays that go on.
        (void)co_await settle();
    }
};

Relay::Relay(
    net::any_io_executor executor,
    ClaimSource& source,
    EventSink& sink,
    RelayOptions options,
    Observer observer
)
    : impl_(std::make_shared<Impl>(
          std::move(executor), source, sink, options, std::move(observer)
      )) {}

Relay::~Relay() = default;

net::awaitable<void> Relay::run() {
    const auto impl = impl_;
    co_await detail::run_on_strand(impl->strand, impl->run());
}

net::awaitable<Result<std::size_t>> Relay::run_once() {
    const auto impl = impl_;
    auto work = impl->batch(impl->options.batch_size);
    auto done = co_await detail::run_on_strand(impl->strand, std::move(work));
    co_return done;
}

void Relay::stop() {
    impl_->stopping = true;
    net::post(impl_->strand, [impl = impl_] { impl->timer.cancel(); });
}

void Relay::wake() {
    net::post(impl_->strand, [impl = impl_] {
        impl->woken = true;
        impl->empty_looks = 0;
        if (impl->waiting_wakeably) impl->timer.cancel();
    });
}

RelaySnapshot Relay::snapshot() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->state;
}

}  // namespace resilience
