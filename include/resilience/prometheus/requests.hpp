// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_PROMETHEUS_REQUESTS_HPP
#define RESILIENCE_PROMETHEUS_REQUESTS_HPP

#include <resilience/classify.hpp>
#include <resilience/clock.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace resilience::prometheus {

namespace detail {
class RequestCounters;
}

class Requests;

/** A request that has begun and is counted at its end.

    Moves; is counted exactly once, at the latest when it is destroyed.

    @par Object lifetimes
    Its @ref Requests must outlive it.
*/
class [[nodiscard]] Request {
public:
    Request(Request&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), begin_(other.begin_) {}

    Request& operator=(Request&& other) noexcept {
        Request taken{std::move(other)};
        std::swap(owner_, taken.owner_);
        std::swap(begin_, taken.begin_);
        return *this;
    }

    /// Counts it as abandoned, unless it has ended.
    ~Request() {
        if (owner_ != nullptr) std::move(*this).done(Verdict::abandoned);
    }

    /// Ends it. Again, it does nothing.
    void done(Verdict verdict, TimePoint now = Clock::now()) && noexcept;

private:
    friend Requests;

    Request(const Requests& owner, TimePoint begin) noexcept
        : owner_(&owner), begin_(begin) {}

    const Requests* owner_;
    TimePoint begin_;
};

/** Counts requests, their errors and how long they take: rate, errors, duration (F10).
    Made by @ref Metrics::requests; copies count together.

    Errors are all ends but success, a mistake of the client, and that the caller gave up;
    they are told apart by the label `verdict`, in which `ignored` is a refusal by a local
    limit.

    @par Thread safety
    Safe. A request costs two atomic additions, three if it is an error.

    @par Object lifetimes
    May outlive its @ref Metrics.

    @par Example
    @code
    Requests requests = metrics.requests("orders");
    auto row = requests.run([&] { return pipeline.run(fetch); });
    @endcode
*/
class Requests {
public:
    /// Begins a request.
    Request begin(TimePoint now = Clock::now()) const noexcept { return {*this, now}; }

    /// Counts a request that has ended. One that took less than nothing took nothing.
    void record(Verdict verdict, std::chrono::nanoseconds took) const noexcept;

    /// Calls `f()` as one request, which ends as @ref classify says of what it returns or
    /// throws. Returns or throws that.
    template <class F>
    auto run(F&& f) const {
        Request request = begin();
        try {
            if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
                std::forward<F>(f)();
                std::move(request).done(Verdict::success);
            } else {
                auto result = std::forward<F>(f)();
                std::move(request).done(classify(result).verdict);
                return result;
            }
        } catch (...) {
            std::move(request).done(classify(std::current_exception()).verdict);
            throw;
        }
    }

private:
    friend class Metrics;

    explicit Requests(std::shared_ptr<detail::RequestCounters> counters) noexcept
        : counters_(std::move(counters)) {}

    std::shared_ptr<detail::RequestCounters> counters_;
};

inline void Request::done(Verdict verdict, TimePoint now) && noexcept {
    if (const Requests* owner = std::exchange(owner_, nullptr)) {
        owner->record(verdict, now - begin_);
    }
}

}  // namespace resilience::prometheus

#endif
