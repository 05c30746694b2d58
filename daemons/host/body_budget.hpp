// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_BODY_BUDGET_HPP
#define RESILIENCE_HOST_BODY_BUDGET_HPP

#include <resilience/prometheus/instruments.hpp>

#include <atomic>
#include <cstddef>
#include <utility>

namespace resilience::host {

/** Bounds the bytes of request bodies that all connections of a server hold together.

    @par Thread safety
    Distinct shares: safe.
*/
class BodyBudget {
public:
    class Share;

    BodyBudget(std::size_t limit, prometheus::Gauge held)
        : limit_(limit), gauge_(std::move(held)) {}

private:
    const std::size_t limit_;
    std::atomic<std::size_t> held_{0};
    prometheus::Gauge gauge_;
};

/// What one connection holds.
class BodyBudget::Share {
public:
    explicit Share(BodyBudget& budget) noexcept : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { clear(); }

    /// Takes what is missing to `bytes`, or nothing if all together would be too much.
    bool grow_to(std::size_t bytes) {
        if (bytes <= bytes_) return true;
        const std::size_t more = bytes - bytes_;
        if (budget_.held_.fetch_add(more) + more > budget_.limit_) {
            budget_.held_.fetch_sub(more);
            return false;
        }
        bytes_ = bytes;
        budget_.gauge_.add(static_cast<double>(more));
        return true;
    }

    void clear() {
        if (bytes_ == 0) return;
        budget_.held_.fetch_sub(bytes_);
        budget_.gauge_.add(-static_cast<double>(bytes_));
        bytes_ = 0;
    }

private:
    BodyBudget& budget_;
    std::size_t bytes_ = 0;
};

}  // namespace resilience::host

#endif
