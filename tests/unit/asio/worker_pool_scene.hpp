// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_ASIO_WORKER_POOL_SCENE_HPP
#define RESILIENCE_TESTS_UNIT_ASIO_WORKER_POOL_SCENE_HPP

#include <resilience/asio/worker_pool.hpp>

#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include "unit/core/worker_pool_world.hpp"

namespace resilience::testing {

/// A pool of one worker, on whom a roadblock may stand, and room for one task.
struct PoolScene {
    explicit PoolScene(std::size_t max_waiting = 10)
        : pool{
              std::in_place,
              WorkerPoolOptions{.threads = 1, .capacity = 1, .max_waiting = max_waiting},
              NoObserver{},
              Now{&clock}} {}
    ~PoolScene() { block.go(); }

    /// Keeps the worker busy, and the queue full if so wished.
    void obstruct(bool full) {
        block.hold(*pool);
        if (full) REQUIRE(pool->try_submit([] {}));
    }

    /// Submits `f` and keeps the result; cancelled by `signal`.
    template <class F>
    void submit(F f, const TaskOptions& options = {}) {
        async_submit(
            *pool,
            std::move(f),
            options,
            net::bind_cancellation_slot(
                signal.slot(),
                net::bind_executor(
                    io->get_executor(),
                    [this, alive = alive](Result<int> r) { result = std::move(r); }
                )
            )
        );
    }

    Errc error() const {
        REQUIRE(result);
        REQUIRE(result->has_error());
        REQUIRE(result->error().code.category() == error_category());
        return static_cast<Errc>(result->error().code.value());
    }

    struct Now {
        const ManualClock* clock;
        TimePoint operator()() const noexcept { return clock->now(); }
    };

    ManualClock clock;
    Roadblock block;
    std::shared_ptr<int> alive = std::make_shared<int>(0);
    std::optional<Result<int>> result;
    net::cancellation_signal signal;
    std::optional<net::io_context> io{std::in_place};
    std::optional<WorkerPool<NoObserver, Now>> pool;
};

/// Takes what it is to run to an io_context, until it is told to refuse.
class Refusing {
public:
    Refusing(net::io_context& io, const std::atomic<bool>& refuses)
        : inner_{io.get_executor()}, refuses_{&refuses} {}

    net::execution_context& query(net::execution::context_t) const noexcept {
        return inner_.context();
    }
    static constexpr auto query(net::execution::blocking_t) noexcept {
        return net::execution::blocking.never;
    }
    Refusing require(net::execution::blocking_t::never_t) const noexcept { return *this; }
    Refusing require(net::execution::outstanding_work_t::tracked_t) const noexcept {
        return {net::prefer(inner_, net::execution::outstanding_work.tracked), refuses_};
    }

    template <class F>
    void execute(F f) const {
        if (*refuses_) throw std::runtime_error{"no more room"};
        net::post(inner_, std::move(f));
    }

    bool operator==(const Refusing& other) const noexcept {
        return refuses_ == other.refuses_;
    }

private:
    Refusing(net::any_io_executor inner, const std::atomic<bool>* refuses)
        : inner_{std::move(inner)}, refuses_{refuses} {}

    net::any_io_executor inner_;
    const std::atomic<bool>* refuses_;
};

}  // namespace resilience::testing

#endif
