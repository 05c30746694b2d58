// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_WEAK_MEMORY_MEMORY_HPP
#define TESTS_UNIT_WEAK_MEMORY_MEMORY_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace resilience::testing::weak {

/// The thread that makes a program and looks at its end, and those that run it.
inline constexpr std::size_t max_threads = 5;
inline constexpr std::size_t max_locations = 64;

using ThreadId = std::size_t;
using LocationId = std::size_t;

/// Where a value stands among all that a location ever holds.
using Timestamp = std::uint64_t;

/// How many points of time of each thread are known to have passed.
using VectorClock = std::array<std::uint32_t, max_threads>;

inline void join(VectorClock& clock, const VectorClock& other) {
    for (std::size_t i = 0; i < max_threads; ++i) clock[i] = std::max(clock[i], other[i]);
}

/// What a thread has seen: values older than these are gone for it.
struct View {
    std::array<Timestamp, max_locations> seen{};
    VectorClock clock{};

    void join(const View& other) {
        for (std::size_t i = 0; i < max_locations; ++i) {
            seen[i] = std::max(seen[i], other.seen[i]);
        }
        weak::join(clock, other.clock);
    }
};

constexpr bool acquires(std::memory_order order) {
    return order == std::memory_order_acquire || order == std::memory_order_consume ||
           order == std::memory_order_acq_rel || order == std::memory_order_seq_cst;
}

constexpr bool releases(std::memory_order order) {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

/** What threads see of each other's writes, by the rules of C++20 without fences.

    A location keeps every value it ever held, in their modification order, each with the
    view that its writer released. A thread may read whatever is not older than what it
    has seen, and puts a new value anywhere after that; a read-modify-write comes right
    after what it reads, and carries on what that had released. What is sequentially
    consistent also heeds, of its location, the latest such write.

    This is the operational form of release and acquire with relaxed accesses that Kang,
    Hur, Lahav, Vafeiadis and Dreyer give in "A promising semantics for relaxed-memory
    concurrency" (POPL 2017), without promises: no thread reads what depends on a write
    that is yet to come, as in RC11 of Lahav, Vafeiadis, Kang, Hur and Dreyer ("Repairing
    sequential consistency in C/C++11", PLDI 2017). So the outcome (1, 1) of load
    buffering does not appear.

    Wherever there is a choice, `choose(n)` makes it: zero is what is newest.
*/
class Memory {
public:
    LocationId make(ThreadId thread, std::uint64_t value) {
        if (locations_.size() == max_locations) throw std::length_error{"locations"};
        locations_.push_back({{Message{gap, value, false, views_[thread]}}, 0});
        const LocationId where = locations_.size() - 1;
        views_[thread].seen[where] = gap;
        return where;
    }

    template <class Choose>
    std::uint64_t load(
        ThreadId thread, LocationId where, std::memory_order order, const Choose& choose
    ) {
        const auto& messages = locations_[where].messages;
        const std::size_t first = first_visible(thread, where, order);
        const std::size_t back = choose(messages.size() - first);
        return read(thread, where, messages.size() - 1 - back, order);
    }

    template <class Choose>
    void store(
        ThreadId thread,
        LocationId where,
        std::uint64_t value,
        std::memory_order order,
        const Choose& choose
    ) {
        const auto& messages = locations_[where].messages;
        std::vector<std::size_t> before;
        for (std::size_t i = messages.size();
             i-- > first_visible(thread, where, order);) {
            if (is_open(where, i)) before.push_back(i);
        }
        write(thread, where, before[choose(before.size())], value, false, order, {});
    }

    /** Reads a value and puts `change(value)` right after it, or only reads it.

        @param change Returns whether to write, and changes its argument then.
        @return Whether a value was written; `seen` becomes what was read.
    */
    template <class Change, class Choose>
    bool update(
        ThreadId thread,
        LocationId where,
        std::uint64_t& seen,
        const Change& change,
        std::memory_order success,
        std::memory_order failure,
        const Choose& choose
    ) {
        const auto& messages = locations_[where].messages;
        const std::size_t first[] = {
            first_visible(thread, where, failure), first_visible(thread, where, success)};
        std::vector<std::size_t> from;
        for (std::size_t i = messages.size(); i-- > std::min(first[0], first[1]);) {
            std::uint64_t value = messages[i].value;
            const bool changes = change(value);
            if (i >= first[changes] && (!changes || is_open(where, i))) from.push_back(i);
        }
        const std::size_t chosen = from[choose(from.size())];
        const View released = messages[chosen].view;
        std::uint64_t value = messages[chosen].value;
        const bool changes = change(value);
        seen = read(thread, where, chosen, changes ? success : failure);
        if (changes) write(thread, where, chosen, value, true, success, released);
        return changes;
    }

    /// The latest value in the modification order.
    std::uint64_t newest(LocationId where) const {
        return locations_[where].messages.back().value;
    }

    /// The view of `thread`, for others to join.
    View release(ThreadId thread) {
        const View released = views_[thread];
        ++views_[thread].clock[thread];
        return released;
    }

    void acquire(ThreadId thread, const View& released) { views_[thread].join(released); }

    const VectorClock& clock(ThreadId thread) const { return views_[thread].clock; }

private:
    struct Message {
        Timestamp at;
        std::uint64_t value;
        bool follows;  // nothing comes between this and the one before
        View view;
    };

    struct Location {
        std::vector<Message> messages;
        Timestamp consistent;  // of the latest write that was sequentially consistent
    };

    // Room for values that are put between others later.
    static constexpr Timestamp gap = Timestamp{1} << 40;

    std::size_t first_visible(ThreadId thread, LocationId where, std::memory_order order)
        const {
        const Location& location = locations_[where];
        Timestamp oldest = views_[thread].seen[where];
        if (order == std::memory_order_seq_cst) {
            oldest = std::max(oldest, location.consistent);
        }
        std::size_t i = 0;
        while (location.messages[i].at < oldest) ++i;
        return i;
    }

    bool is_open(LocationId where, std::size_t i) const {
        const auto& messages = locations_[where].messages;
        return i + 1 == messages.size() || !messages[i + 1].follows;
    }

    std::uint64_t read(
        ThreadId thread, LocationId where, std::size_t i, std::memory_order order
    ) {
        const Message& message = locations_[where].messages[i];
        views_[thread].seen[where] = message.at;
        if (acquires(order)) views_[thread].join(message.view);
        return message.value;
    }

    void write(
        ThreadId thread,
        LocationId where,
        std::size_t after,
        std::uint64_t value,
        bool follows,
        std::memory_order order,
        View released
    ) {
        Location& location = locations_[where];
        auto& messages = location.messages;
        const Timestamp before = messages[after].at;
        const bool last = after + 1 == messages.size();
        const Timestamp at =
            last ? before + gap : before + (messages[after + 1].at - before) / 2;
        views_[thread].seen[where] = at;
        if (releases(order)) released.join(release(thread));
        if (order == std::memory_order_seq_cst) location.consistent = at;
        const auto place = messages.begin() + static_cast<std::ptrdiff_t>(after) + 1;
        messages.insert(place, Message{at, value, follows, released});
    }

    std::vector<Location> locations_;
    std::array<View, max_threads> views_{};
};

}  // namespace resilience::testing::weak

#endif
