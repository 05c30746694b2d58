// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_STEPPED_THREAD_HPP
#define TESTS_UNIT_CORE_STEPPED_THREAD_HPP

#include <atomic>
#include <semaphore>
#include <thread>
#include <utility>

namespace resilience::testing {

/// A thread that stops before each use of a @ref SteppedAtomic until it is told to go on.
class SteppedThread {
public:
    template <class Work>
    explicit SteppedThread(Work work)
        : thread_{[this, work = std::move(work)] {
              current() = this;
              work();
              current() = nullptr;
              finished_ = true;
              arrived_.release();
          }} {
        arrived_.acquire();
    }

    ~SteppedThread() {
        finish();
        thread_.join();
    }

    /// Lets it use `n` atomics; it then stops before the next one, or has finished.
    void advance(int n) {
        for (int i = 0; i < n && !finished_; ++i) {
            go_.release();
            arrived_.acquire();
        }
    }

    /// Lets it run to its end.
    void finish() {
        while (!finished_) advance(1);
    }

    /// Called by each atomic.
    static void stop() noexcept {
        if (SteppedThread* self = current()) {
            self->arrived_.release();
            self->go_.acquire();
        }
    }

private:
    static SteppedThread*& current() noexcept {
        static thread_local SteppedThread* thread = nullptr;
        return thread;
    }

    std::atomic<bool> finished_{false};
    std::binary_semaphore arrived_{0};
    std::binary_semaphore go_{0};
    std::thread thread_;
};

template <class T>
class SteppedAtomic {
public:
    SteppedAtomic(T value = {}) noexcept : value_{value} {}

    T load() const noexcept {
        SteppedThread::stop();
        return value_.load();
    }
    void store(T value) noexcept {
        SteppedThread::stop();
        value_.store(value);
    }
    bool compare_exchange_weak(T& seen, T next) noexcept {
        return compare_exchange_strong(seen, next);
    }
    bool compare_exchange_strong(T& seen, T next) noexcept {
        SteppedThread::stop();
        return value_.compare_exchange_strong(seen, next);
    }

private:
    std::atomic<T> value_;
};

}  // namespace resilience::testing

#endif
