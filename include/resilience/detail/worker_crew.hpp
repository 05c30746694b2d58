// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_WORKER_CREW_HPP
#define RESILIENCE_DETAIL_WORKER_CREW_HPP

#include <resilience/clock.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__linux__)
#include <pthread.h>
#endif

namespace resilience::detail {

/// Names the calling thread, where the system can; the beginning of a long name is cut so
/// that the number stays.
inline void name_this_thread(const std::string& name, std::size_t number) {
#if defined(__linux__)
    constexpr std::size_t longest = 15;
    const std::string suffix = "-" + std::to_string(number);
    const std::string title = name.substr(0, longest - suffix.size()) + suffix;
    pthread_setname_np(pthread_self(), title.c_str());
#else
    static_cast<void>(name);
    static_cast<void>(number);
#endif
}

/// Those who run the tasks of a pool: its threads, and submitters that lend a hand.
class WorkerCrew {
public:
    WorkerCrew() = default;
    WorkerCrew(const WorkerCrew&) = delete;
    WorkerCrew& operator=(const WorkerCrew&) = delete;

    /// Starts `count` threads that each call `body(number)` and end. If it throws, some
    /// of them may run.
    template <class Body>
    void start(std::size_t count, const std::string& name, const Body& body) {
        threads_.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            const std::lock_guard lock{mutex_};
            threads_.emplace_back([this, i, name, body] {
                name_this_thread(name, i);
                body(i);
                leave();
            });
            ++running_;
        }
    }

    /// Lets the calling thread run a task. Returns false once closed.
    bool join_in() noexcept {
        const std::lock_guard lock{mutex_};
        if (closed_) return false;
        ++running_;
        return true;
    }

    /// Ends what @ref join_in began.
    void leave() noexcept {
        const std::lock_guard lock{mutex_};
        --running_;
        ended_.notify_all();
    }

    /// Nobody joins in from now on.
    void close() noexcept {
        const std::lock_guard lock{mutex_};
        closed_ = true;
    }

    /// Waits until all have ended, but not beyond `deadline`. Returns whether they have.
    bool wait_until(TimePoint deadline) {
        std::unique_lock lock{mutex_};
        const auto all_ended = [this] { return running_ == 0; };
        if (deadline <= Clock::now()) return all_ended();
        return ended_.wait_until(lock, deadline, all_ended);
    }

    /// Waits for the threads.
    void join() noexcept {
        for (std::thread& t : threads_) t.join();
        threads_.clear();
    }

private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::size_t running_ = 0;
    bool closed_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace resilience::detail

#endif
