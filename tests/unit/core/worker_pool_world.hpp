// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_CORE_WORKER_POOL_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_CORE_WORKER_POOL_WORLD_HPP

#include <resilience/worker_pool.hpp>

#include <atomic>
#include <latch>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::testing {

/// Keeps one worker busy until told to go on, or destroyed: a test that failed ends.
class Roadblock {
public:
    Roadblock() = default;
    Roadblock(const Roadblock&) = delete;
    Roadblock& operator=(const Roadblock&) = delete;

    ~Roadblock() { go(); }

    /// What the worker is kept busy with.
    auto task() const {
        return [shared = shared_] {
            shared->reached.count_down();
            shared->go.wait();
        };
    }

    /// Returns once a worker stands in it.
    template <class Pool>
    void hold(Pool& pool, const TaskOptions& options = {.priority = Priority::high}) {
        REQUIRE(pool.try_submit(task(), options));
        wait_until_reached();
    }

    void wait_until_reached() const { shared_->reached.wait(); }

    void go() {
        if (!gone_.exchange(true)) shared_->go.count_down();
    }

private:
    struct Shared {
        std::latch reached{1};
        std::latch go{1};
    };

    const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    std::atomic<bool> gone_{false};
};

/// What tasks note down, in the order of their doing so.
class Journal {
public:
    void note(std::string line) {
        const std::lock_guard lock{mutex_};
        lines_.push_back(std::move(line));
    }

    std::string text() const {
        const std::lock_guard lock{mutex_};
        std::string all;
        for (const std::string& line : lines_) all += (all.empty() ? "" : " ") + line;
        return all;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

/// Notes its number when run, and its number with the reason when not.
struct Noting {
    Journal* journal;
    int number;

    void operator()() const { journal->note(std::to_string(number)); }
    void not_run(Errc why) const noexcept {
        const char* text = why == Errc::timed_out   ? "late"
                           : why == Errc::shed      ? "shed"
                           : why == Errc::closed    ? "closed"
                           : why == Errc::cancelled ? "gone"
                                                    : "?";
        journal->note(std::to_string(number) + ":" + text);
    }
};

/// Returns once a drain has begun. Tries with tasks that are never run.
template <class Pool>
void until_closed(Pool& pool) {
    const TaskOptions late{.priority = Priority::low, .deadline = TimePoint::min()};
    while (pool.try_submit([] {}, late).error() != make_error_code(Errc::closed)) {
        std::this_thread::yield();
    }
}

inline std::error_code code(Errc e) { return make_error_code(e); }

/// Lets the queue run out, however long it takes.
template <class Pool>
DrainReport finish(Pool& pool) {
    return pool.drain(TimePoint::max());
}

}  // namespace resilience::testing

#endif
