// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_LINEARIZABILITY_HPP
#define TESTS_UNIT_CORE_LINEARIZABILITY_HPP

#include <resilience/random.hpp>

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::testing {

/// An atomic that often lets another thread run before it is used.
template <class T>
class YieldingAtomic {
public:
    YieldingAtomic(T value = {}) noexcept : value_{value} {}

    T load() const noexcept {
        pause();
        return value_.load();
    }
    void store(T value) noexcept { value_.store(value); }
    bool compare_exchange_weak(T& seen, T next) noexcept {
        pause();
        return value_.compare_exchange_weak(seen, next);
    }
    bool compare_exchange_strong(T& seen, T next) noexcept {
        pause();
        return value_.compare_exchange_strong(seen, next);
    }

private:
    static void pause() noexcept {
        if (thread_random()() % 4 == 0) std::this_thread::yield();
    }

    std::atomic<T> value_;
};

/// One call of an operation: what was asked and answered, and when, by a common counter.
template <class Operation>
struct Event {
    Operation operation;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/** Whether some order of the events, which keeps those apart in time as they were, is one
    that `model` gives the same answers in.

    @tparam Model Copyable; `bool apply(const Operation&)` performs one and tells whether
        the answer fits.
*/
template <class Model, class Operation>
bool is_linearizable(const Model& model, const std::vector<Event<Operation>>& history) {
    struct Search {
        const std::vector<Event<Operation>>& history;
        std::vector<bool> done;

        bool run(const Model& model, std::size_t left) {
            if (left == 0) return true;
            std::uint64_t earliest_end = ~std::uint64_t{0};
            for (std::size_t i = 0; i < history.size(); ++i) {
                if (!done[i] && history[i].end < earliest_end) {
                    earliest_end = history[i].end;
                }
            }
            for (std::size_t i = 0; i < history.size(); ++i) {
                if (done[i] || history[i].begin > earliest_end) continue;
                Model next = model;
                if (!next.apply(history[i].operation)) continue;
                done[i] = true;
                if (run(next, left - 1)) return true;
                done[i] = false;
            }
            return false;
        }
    };
    return Search{history, std::vector<bool>(history.size())}.run(model, history.size());
}

/** Lets threads perform operations on one object and returns how many of the histories
    were not linearizable.

    @param make `make()` returns a fresh object, as a pointer.
    @param model The object's sequential twin, fresh.
    @param perform `perform(object, random)` performs a random operation and returns it
        with its answer.
*/
template <class Operation, class Make, class Model, class Perform>
std::size_t count_bad_histories(
    std::size_t rounds,
    std::size_t threads,
    std::size_t operations,
    Make make,
    const Model& model,
    Perform perform
) {
    auto object = make();
    std::atomic<std::uint64_t> now{0};
    std::vector<std::vector<Event<Operation>>> events(threads);
    std::size_t bad = 0;
    // The last thread to arrive judges the round and prepares the next one.
    const auto judge = [&]() noexcept {
        std::vector<Event<Operation>> history;
        for (auto& own : events) {
            history.insert(history.end(), own.begin(), own.end());
            own.clear();
        }
        if (!is_linearizable(model, history)) ++bad;
        object = make();
    };
    std::barrier barrier{static_cast<std::ptrdiff_t>(threads), judge};
    std::vector<std::thread> running;
    for (std::size_t t = 0; t < threads; ++t) {
        running.emplace_back([&, t] {
            Random random{t + 1};
            for (std::size_t round = 0; round < rounds; ++round) {
                for (std::size_t i = 0; i < operations; ++i) {
                    const std::uint64_t begin = now.fetch_add(1);
                    Operation operation = perform(*object, random);
                    events[t].push_back({std::move(operation), begin, now.fetch_add(1)});
                }
                barrier.arrive_and_wait();
            }
        });
    }
    for (std::thread& thread : running) thread.join();
    return bad;
}

}  // namespace resilience::testing

#endif
