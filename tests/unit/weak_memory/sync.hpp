// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_WEAK_MEMORY_SYNC_HPP
#define TESTS_UNIT_WEAK_MEMORY_SYNC_HPP

// Stands in the place of <resilience/detail/sync.hpp>: included before any header of the
// library, it makes the policies use what the explorer simulates.
#ifdef RESILIENCE_DETAIL_SYNC_HPP
#error "to be included before the headers of the library"
#endif
#define RESILIENCE_DETAIL_SYNC_HPP

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <type_traits>
#include <vector>

#include "unit/weak_memory/explorer.hpp"

namespace resilience::testing::weak {

inline Explorer& explorer() { return *Explorer::current(); }

inline std::size_t choose(std::size_t n) { return explorer().choose(n); }

/// Threads that sleep until they are told.
class Sleepers {
public:
    /// @param where The location of that for which they wait.
    explicit Sleepers(LocationId where) : where_{where + max_locations} {}

    /// What the step uses in which a thread decides to sleep.
    LocationId where() const { return where_; }

    /// To be called in that step.
    void sleep() {
        bool asleep = true;
        sleeping_.push_back(&asleep);
        explorer().turn({"wake", where_, true, nowhere, &asleep});
    }

    /// The same, but it may also wake by itself. Returns whether it was told.
    bool doze() {
        bool asleep = true;
        sleeping_.push_back(&asleep);
        explorer().turn({"wake", where_, true});
        return std::erase(sleeping_, &asleep) == 0;
    }

    void wake_one() {
        explorer().turn({"notify", where_, true});
        if (sleeping_.empty()) return;
        const std::size_t chosen = choose(sleeping_.size());
        *sleeping_[chosen] = false;
        sleeping_.erase(sleeping_.begin() + static_cast<std::ptrdiff_t>(chosen));
    }

    void wake_all() {
        explorer().turn({"notify all", where_, true});
        for (bool* asleep : sleeping_) *asleep = false;
        sleeping_.clear();
    }

private:
    LocationId where_;
    std::vector<bool*> sleeping_;
};

/** As `std::atomic`, for what fits into 64 bits. A weak exchange fails like a strong one:
    one that failed for no reason would only be tried again.
*/
template <class T>
class Atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

public:
    using Order = std::memory_order;

    Atomic(T value = {}) : where_{memory().make(thread(), bits_of(value))} {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order = Order::seq_cst) const {
        turn("load", false);
        return read(order);
    }
    operator T() const { return load(); }

    void store(T value, Order order = Order::seq_cst) {
        turn("store", true);
        memory().store(thread(), where_, bits_of(value), order, weak::choose);
    }
    T operator=(T value) {
        store(value);
        return value;
    }

    T exchange(T value, Order order = Order::seq_cst) {
        return change("exchange", order, [value](T) { return value; });
    }
    T fetch_add(T by, Order order = Order::seq_cst) {
        return change("add", order, [by](T v) { return static_cast<T>(v + by); });
    }
    T fetch_sub(T by, Order order = Order::seq_cst) {
        return change("subtract", order, [by](T v) { return static_cast<T>(v - by); });
    }

    bool compare_exchange_strong(T& seen, T next, Order success, Order failure) {
        turn("compare and exchange", true);
        const std::uint64_t wanted = bits_of(seen);
        std::uint64_t found = 0;
        const bool done = memory().update(
            thread(),
            where_,
            found,
            [wanted, next](std::uint64_t& value) {
                if (value != wanted) return false;
                value = bits_of(next);
                return true;
            },
            success,
            failure,
            weak::choose
        );
        seen = value_of(found);
        return done;
    }
    bool compare_exchange_strong(T& seen, T next, Order order = Order::seq_cst) {
        return compare_exchange_strong(seen, next, order, failing(order));
    }
    bool compare_exchange_weak(T& seen, T next, Order success, Order failure) {
        return compare_exchange_strong(seen, next, success, failure);
    }
    bool compare_exchange_weak(T& seen, T next, Order order = Order::seq_cst) {
        return compare_exchange_strong(seen, next, order);
    }

    void wait(T old, Order order = Order::seq_cst) const {
        for (;;) {
            explorer().turn({"sleep unless changed", where_, false, sleepers_.where()});
            // One who read an old value is told the newest by the system before it
            // sleeps.
            if (read(order) != old || memory().newest(where_) != bits_of(old)) return;
            sleepers_.sleep();
        }
    }
    void notify_one() { sleepers_.wake_one(); }
    void notify_all() { sleepers_.wake_all(); }

private:
    T read(Order order) const {
        return value_of(memory().load(thread(), where_, order, weak::choose));
    }

    static Memory& memory() { return explorer().memory; }
    static ThreadId thread() { return explorer().running(); }

    static std::uint64_t bits_of(T value) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof(T));
        return bits;
    }
    static T value_of(std::uint64_t bits) {
        T value;
        std::memcpy(static_cast<void*>(&value), &bits, sizeof(T));
        return value;
    }

    static constexpr Order failing(Order order) {
        if (order == Order::acq_rel) return Order::acquire;
        return order == Order::release ? Order::relaxed : order;
    }

    void turn(const char* what, bool writes) const {
        explorer().turn({what, where_, writes});
    }

    template <class Changed>
    T change(const char* what, Order order, const Changed& changed) {
        turn(what, true);
        std::uint64_t found = 0;
        memory().update(
            thread(),
            where_,
            found,
            [&changed](std::uint64_t& value) {
                value = bits_of(changed(value_of(value)));
                return true;
            },
            order,
            order,
            weak::choose
        );
        return value_of(found);
    }

    const LocationId where_;
    mutable Sleepers sleepers_{where_};
};

class Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() {
        explorer().turn({"lock", where_, true, nowhere, &held_});
        held_ = true;
        explorer().memory.acquire(explorer().running(), released_);
    }

    bool try_lock() {
        explorer().turn({"try to lock", where_, true});
        if (held_) return false;
        held_ = true;
        explorer().memory.acquire(explorer().running(), released_);
        return true;
    }

    /// Part of the step before it: later, it would only let others wait longer.
    void unlock() {
        released_ = explorer().memory.release(explorer().running());
        explorer().come_before(where_);
        held_ = false;
    }

private:
    const LocationId where_ =
        explorer().memory.make(explorer().running(), std::uint64_t{0});
    bool held_ = false;
    View released_{};
};

/// As `std::condition_variable`, but for waking nobody without a reason. A wait with a
/// deadline ends at any time.
class ConditionVariable {
public:
    template <class Until>
    void wait(std::unique_lock<Mutex>& lock, const Until& until) {
        while (!until()) {
            leave(*lock.mutex());
            sleepers_.sleep();
            lock.mutex()->lock();
        }
    }

    template <class Deadline, class Until>
    bool wait_until(std::unique_lock<Mutex>& lock, const Deadline&, const Until& until) {
        while (!until()) {
            leave(*lock.mutex());
            const bool told = sleepers_.doze();
            lock.mutex()->lock();
            if (!told) return until();
        }
        return true;
    }

    void notify_one() { sleepers_.wake_one(); }
    void notify_all() { sleepers_.wake_all(); }

private:
    void leave(Mutex& mutex) {
        explorer().turn({"sleep", sleepers_.where(), true});
        mutex.unlock();
    }

    Sleepers sleepers_{explorer().memory.make(explorer().running(), std::uint64_t{0})};
};

/// Something that only one thread at a time may use: a use that is not ordered after
/// those of others fails the exploration.
template <class T>
class Plain {
public:
    explicit Plain(T value = {}) : value_{value} { note(writes_); }

    T get() const {
        if (!follows(writes_)) explorer().fail("a data race: read and write");
        note(reads_);
        return value_;
    }

    void set(T value) {
        if (!follows(writes_)) explorer().fail("a data race: two writes");
        if (!follows(reads_)) explorer().fail("a data race: write and read");
        note(writes_);
        value_ = value;
    }

private:
    static const VectorClock& clock() {
        return explorer().memory.clock(explorer().running());
    }

    static bool follows(const VectorClock& uses) {
        for (std::size_t i = 0; i < max_threads; ++i) {
            if (uses[i] > clock()[i]) return false;
        }
        return true;
    }

    static void note(VectorClock& uses) {
        const ThreadId thread = explorer().running();
        uses[thread] = clock()[thread];
    }

    T value_;
    mutable VectorClock reads_{};
    VectorClock writes_{};
};

}  // namespace resilience::testing::weak

namespace resilience::detail {

template <class T>
using Atomic = testing::weak::Atomic<T>;
using Mutex = testing::weak::Mutex;
using ConditionVariable = testing::weak::ConditionVariable;

// A test that explores what comes after the looks sets this to zero.
inline int contended_looks = 1;

}  // namespace resilience::detail

#endif
