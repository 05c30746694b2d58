// SPDX-License-Identifier: MIT
// Walks every interleaving of a few callers of a small bulkhead, by the very functions
// that the bulkhead calls, and checks what must hold after each step.
#include <resilience/detail/bulkhead_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience::detail;
using resilience::TimePoint;

namespace {

using Law = BulkheadLaw;

/// The next step of a caller. What is done under the lock is one step.
enum class At : std::uint8_t {
    read_to_take,
    exchange_to_take,
    enlist,
    waits,
    settle_cancelled,
    settle_expired,
    holds,
    exchange_to_give_back,
    give_back_under_lock,
    shrink,
    grow,
    gone
};

struct Caller {
    At at = At::read_to_take;
    WaitEnd end = WaitEnd::undecided;
    Law::Word read = 0;

    bool owns_slot() const {
        return at == At::holds || at == At::exchange_to_give_back ||
               at == At::give_back_under_lock || end == WaitEnd::granted;
    }
};

struct State {
    Law::Word word = 0;
    std::int32_t limit = 0;
    std::vector<std::uint8_t> queue;
    std::vector<Caller> callers;

    std::string key() const {
        std::string k(reinterpret_cast<const char*>(&word), sizeof word);
        k += static_cast<char>(limit);
        k.append(queue.begin(), queue.end());
        for (const Caller& c : callers) {
            k += static_cast<char>(c.at);
            k += static_cast<char>(c.end);
            k.append(reinterpret_cast<const char*>(&c.read), sizeof c.read);
        }
        return k;
    }
};

class Explorer {
public:
    Explorer(State first, std::uint32_t room) : room_(room) { visit(std::move(first)); }

    void run() {
        while (!open_.empty()) {
            const State state = std::move(open_.back());
            open_.pop_back();
            check(state);
            const std::size_t before = edges_;
            for (std::size_t i = 0; i < state.callers.size(); ++i) step(state, i);
            if (edges_ == before) check_rest(state);
        }
    }

    std::size_t nodes() const { return seen_.size(); }
    std::size_t rests() const { return rests_; }
    bool saw(WaitEnd wanted, WaitEnd found) const {
        return settled_[static_cast<std::size_t>(wanted)]
                       [static_cast<std::size_t>(found)];
    }

private:
    void visit(State s) {
        ++edges_;
        if (seen_.insert(s.key()).second) open_.push_back(std::move(s));
    }

    static void demand(bool holds, const char* what) {
        if (!holds) FAIL(what);
    }

    void check(const State& s) const {
        const auto owners =
            std::count_if(s.callers.begin(), s.callers.end(), [](const Caller& c) {
                return c.owns_slot();
            });
        const std::int32_t available = Law::available(s.word);
        demand(available + owners == s.limit, "no slot is lost, and none is made");
        demand(Law::waiters(s.word) == s.queue.size(), "the word counts the queue");
        demand(s.queue.size() <= room_, "the queue is bounded");
        demand(s.queue.empty() || available <= 0, "nobody waits while a slot is free");
    }

    void check_rest(const State& s) {
        ++rests_;
        for (const Caller& c : s.callers) demand(c.at == At::gone, "everybody gets on");
        demand(Law::available(s.word) == s.limit, "all slots come back");
        demand(s.queue.empty(), "the queue is empty at rest");
    }

    void step(const State& s, std::size_t i) {
        const Caller& c = s.callers[i];
        State next = s;
        Caller& n = next.callers[i];
        switch (c.at) {
            case At::read_to_take:
                n.read = s.word;
                n.at = Law::has_slot(n.read) ? At::exchange_to_take : At::enlist;
                if (n.at == At::enlist) n.read = 0;
                return visit(std::move(next));
            case At::exchange_to_take:
                n.at = c.read == s.word ? At::holds : At::read_to_take;
                if (n.at == At::holds) next.word = Law::taken(c.read);
                n.read = 0;
                return visit(std::move(next));
            case At::enlist:
                leave(s, i);
                enlist(next, i);
                return visit(std::move(next));
            case At::waits:
                return leave(s, i);
            case At::settle_cancelled:
                return settle(std::move(next), i, WaitEnd::cancelled);
            case At::settle_expired:
                return settle(std::move(next), i, WaitEnd::expired);
            case At::holds:
                n.read = s.word;
                n.at = Law::has_waiters(n.read) ? At::give_back_under_lock
                                                : At::exchange_to_give_back;
                if (n.at == At::give_back_under_lock) n.read = 0;
                return visit(std::move(next));
            case At::exchange_to_give_back:
                n.at = c.read == s.word ? At::gone : At::holds;
                if (n.at == At::gone) next.word = Law::given_back(c.read);
                n.read = 0;
                return visit(std::move(next));
            case At::give_back_under_lock:
                for (const WaitEnd end :
                     {WaitEnd::granted, WaitEnd::expired, WaitEnd::shed}) {
                    State served = next;
                    served.callers[i].at = At::gone;
                    change(served, Law::given_back(s.word), end);
                    visit(std::move(served));
                }
                return;
            case At::shrink:
                n.at = At::grow;
                next.limit -= 1;
                change(next, Law::resized(s.word, -1), WaitEnd::granted);
                return visit(std::move(next));
            case At::grow:
                n.at = At::gone;
                next.limit += 1;
                change(next, Law::resized(s.word, 1), WaitEnd::granted);
                return visit(std::move(next));
            case At::gone:
                return;
        }
    }

    /// Serves the queue under the lock; whose turn comes ends its wait by `end`, except
    /// that the last one in the queue is granted its slot.
    static void change(State& s, Law::Word changed, WaitEnd end) {
        s.word = Law::served(changed, [&] {
            Caller& waiter = s.callers[s.queue.front()];
            s.queue.erase(s.queue.begin());
            const WaitEnd wanted = s.queue.empty() ? WaitEnd::granted : end;
            if (!may_end(waiter.end)) return false;
            waiter.end = wanted;
            return wanted == WaitEnd::granted;
        });
    }

    void enlist(State& s, std::size_t i) const {
        Caller& c = s.callers[i];
        c.at = At::waits;
        if (Law::has_slot(s.word)) {
            s.word = Law::taken(s.word);
            if (may_end(c.end)) {
                c.end = WaitEnd::granted;
            } else {
                change(s, Law::given_back(s.word), WaitEnd::granted);
            }
        } else if (Law::waiters(s.word) >= room_) {
            if (may_end(c.end)) c.end = WaitEnd::refused;
        } else if (may_end(c.end)) {
            s.word = Law::enlisted(s.word);
            s.queue.push_back(static_cast<std::uint8_t>(i));
        }
    }

    /// The waiter gives up, or its time is over, or it is woken and may want either.
    void leave(const State& s, std::size_t i) {
        for (const WaitEnd wanted : {WaitEnd::cancelled, WaitEnd::expired}) {
            State next = s;
            Caller& n = next.callers[i];
            // The claim is a step of its own: others run before the lock is taken.
            if (may_end(n.end)) n.end = wanted;
            if (s.callers[i].at == At::enlist) {
                if (s.callers[i].end != n.end) visit(std::move(next));
                continue;
            }
            n.at =
                wanted == WaitEnd::cancelled ? At::settle_cancelled : At::settle_expired;
            visit(std::move(next));
        }
    }

    void settle(State s, std::size_t i, WaitEnd wanted) {
        Caller& c = s.callers[i];
        const auto queued =
            std::find(s.queue.begin(), s.queue.end(), static_cast<std::uint8_t>(i));
        if (queued != s.queue.end()) {
            s.queue.erase(queued);
            s.word = Law::dismissed(s.word);
        }
        settled_[static_cast<std::size_t>(wanted)][static_cast<std::size_t>(c.end)] =
            true;
        // Whoever must give back does as whoever holds does, at once.
        const bool has_slot = must_give_back(wanted, c.end) || c.end == WaitEnd::granted;
        c.at = has_slot ? At::holds : At::gone;
        c.end = WaitEnd::undecided;
        visit(std::move(s));
    }

    std::uint32_t room_;
    std::size_t edges_ = 0;
    std::size_t rests_ = 0;
    std::array<std::array<bool, 6>, 6> settled_{};
    std::vector<State> open_;
    std::unordered_set<std::string> seen_;
};

State state_of(std::uint32_t limit, std::size_t waiters) {
    State s{.word = Law::made(limit), .limit = static_cast<std::int32_t>(limit)};
    for (std::uint32_t i = 0; i < limit; ++i) {
        s.word = Law::taken(s.word);
        s.callers.push_back({.at = At::holds});
    }
    s.callers.resize(s.callers.size() + waiters);
    return s;
}

TimePoint at(std::chrono::nanoseconds t) { return TimePoint{1h + t}; }

}  // namespace

TEST_CASE("three waiters and two slots: every interleaving keeps every slot") {
    for (const std::uint32_t room : {0u, 1u, 2u, 3u}) {
        CAPTURE(room);
        Explorer explorer{state_of(2, 3), room};
        explorer.run();
        CHECK(explorer.rests() > 0);
        if (room == 0) continue;
        CHECK(explorer.nodes() > 10'000);
        CHECK(explorer.saw(WaitEnd::cancelled, WaitEnd::granted));
        CHECK(explorer.saw(WaitEnd::expired, WaitEnd::granted));
        CHECK(explorer.saw(WaitEnd::cancelled, WaitEnd::cancelled));
        CHECK(explorer.saw(WaitEnd::cancelled, WaitEnd::expired));
    }
}

TEST_CASE("one slot that is taken out of use and put back: no interleaving mints one") {
    for (const std::uint32_t room : {0u, 1u, 2u}) {
        State first = state_of(1, 2);
        first.callers.push_back({.at = At::shrink});
        Explorer explorer{std::move(first), room};
        explorer.run();
        CHECK(explorer.nodes() > 100);
        CHECK(explorer.rests() > 0);
    }
}

TEST_CASE("the word of a bulkhead holds its extremes") {
    const Law::Word full = Law::made(Law::kMostSlots);
    CHECK(Law::available(full) == 8'388'607);
    CHECK(Law::waiters(full) == 0);
    Law::Word w = Law::resized(full, 1 - static_cast<std::int32_t>(Law::kMostSlots));
    CHECK(Law::available(w) == 1);
    for (std::uint32_t i = 0; i < 3; ++i) w = Law::taken(w);
    CHECK(Law::available(w) == -2);
    CHECK_FALSE(Law::has_slot(w));
    w += Law::kMostWaiters * Law::kWaiter;
    CHECK(Law::waiters(w) == Law::kMostWaiters);
    CHECK(Law::available(w) == -2);
    CHECK(Law::generation(w) == 1);
    for (int i = 0; i < 0xffff; ++i) w = Law::resized(w, 0);
    CHECK(Law::generation(w) == 0);
    CHECK(Law::waiters(w) == Law::kMostWaiters);
    CHECK(Law::available(w) == -2);
}

TEST_CASE("a queue that works off a burst is not overloaded, one that stands is") {
    CodelState codel;
    // For an interval nobody gets through in less than the target.
    for (int i = 0; i < 20; ++i) codel = codel.seen(20ms, at(i * 5ms), 5ms, 100ms);
    CHECK_FALSE(codel.overloaded);
    codel = codel.seen(20ms, at(100ms), 5ms, 100ms);
    CHECK(codel.overloaded);
    CHECK_FALSE(codel.sheds(10ms, 5ms));
    CHECK(codel.sheds(10ms + 1ns, 5ms));
    // One short wait in the next interval ends it.
    codel = codel.seen(4ms, at(150ms), 5ms, 100ms);
    codel = codel.seen(20ms, at(190ms), 5ms, 100ms);
    CHECK(codel.overloaded);
    codel = codel.seen(20ms, at(200ms), 5ms, 100ms);
    CHECK_FALSE(codel.overloaded);
    CHECK_FALSE(codel.sheds(1h, 5ms));
}

TEST_CASE("a wait of exactly the target is no sign of overload") {
    CodelState codel;
    for (int i = 0; i < 100; ++i) codel = codel.seen(5ms, at(i * 10ms), 5ms, 100ms);
    CHECK_FALSE(codel.overloaded);
}

TEST_CASE("the longest of intervals and targets do not overflow") {
    const auto longest = std::chrono::nanoseconds::max();
    CodelState codel = CodelState{}.seen(1s, at(0s), longest, longest);
    CHECK(codel.ends == TimePoint::max());
    codel.overloaded = true;
    CHECK_FALSE(codel.sheds(longest, longest));
    CHECK(codel.sheds(longest, 1ns));
    CHECK(saturated_add(at(0s), longest) == TimePoint::max());
    CHECK(saturated_add(at(0s), 5ms) == at(5ms));
}

TEST_CASE("who is served is a function of the times alone") {
    const WaitSpan old{at(0ms), at(50ms)};
    const WaitSpan young{at(20ms), at(70ms)};
    const CodelState calm;
    CodelState busy;
    busy.overloaded = true;
    using D = Dequeue;
    CHECK(dequeue(calm, 5ms, old, young, at(30ms)) == D{false, WaitEnd::granted});
    CHECK(dequeue(calm, 5ms, old, young, at(50ms)) == D{false, WaitEnd::expired});
    CHECK(dequeue(busy, 5ms, old, young, at(30ms)) == D{false, WaitEnd::shed});
    CHECK(dequeue(busy, 5ms, old, young, at(10ms)) == D{true, WaitEnd::granted});
    CHECK(dequeue(busy, 5ms, old, young, at(50ms)) == D{false, WaitEnd::expired});
    const WaitSpan hasty{at(8ms), at(9ms)};
    CHECK(dequeue(busy, 5ms, old, hasty, at(9ms)) == D{true, WaitEnd::expired});
}
