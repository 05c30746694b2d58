// SPDX-License-Identifier: MIT
// Walks every interleaving of a few submitters and workers that sleep and wake by the
// very transitions the pool uses, and looks for a task that waits while a worker sleeps.
#include <resilience/detail/idle_law.hpp>
#include <resilience/detail/priority_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <deque>
#include <set>
#include <string>

using namespace resilience;
using namespace resilience::detail;

namespace {

enum class At : std::uint8_t {
    // A submitter, or a worker that passes a wake-up on.
    publish,
    look,
    mark,
    wake,
    done,
    // A worker.
    take,
    search,
    peek,
    found,
    more,
    rest,
    again,
    stay,
    sleep,
    busy
};

struct Actor {
    At at = At::take;
    bool searching = false;
    bool rested = false;
    std::uint8_t left = 0;  // tasks to submit, or looks before the sleep
    auto operator<=>(const Actor&) const = default;
};

struct World {
    std::uint32_t word = 0;
    std::uint8_t queue = 0;
    std::uint8_t wake_ups = 0;
    std::array<Actor, 4> actors{};
    auto operator<=>(const World&) const = default;
};

class Walk {
public:
    Walk(std::size_t submitters, std::size_t workers, std::uint8_t tasks, bool spin)
        : count_{submitters + workers}, submitters_{submitters}, spin_{spin} {
        World start;
        for (std::size_t i = 0; i < 4; ++i) {
            start.actors.at(i).at = i < submitters ? At::publish
                                    : i < count_   ? At::take
                                                   : At::done;
            start.actors.at(i).left = i < submitters ? tasks : 0;
        }
        visit(start);
        while (!open_.empty()) {
            const World w = open_.front();
            open_.pop_front();
            step_all(w);
        }
    }

    std::size_t worlds() const { return seen_.size(); }
    bool lost_wake_up() const { return lost_; }
    bool miscounted() const { return miscounted_; }

private:
    void visit(const World& w) {
        if (seen_.insert(w).second) open_.push_back(w);
    }

    void step_all(const World& w) {
        bool moved = false;
        for (std::size_t i = 0; i < count_; ++i) {
            // The end of a task proves nothing: it may take for ever.
            const bool patient = w.actors.at(i).at == At::busy;
            if (step(w, i) && !patient) moved = true;
        }
        if (!moved) check_rest(w);
    }

    void check_rest(const World& w) {
        std::uint32_t asleep = 0;
        for (std::size_t i = submitters_; i < count_; ++i) {
            asleep += w.actors.at(i).at == At::sleep;
        }
        if (w.queue > 0 && asleep > 0) lost_ = true;
        const IdleWord word{w.word};
        if (word.searching() || word.sleepers() != asleep || w.wake_ups != 0) {
            miscounted_ = true;
        }
    }

    bool step(World w, std::size_t i) {
        Actor& a = w.actors.at(i);
        const bool submitter = i < submitters_;
        const auto apply = [&](IdleStep s) {
            w.word = s.next.bits;
            return s.act;
        };
        const auto after_wake = [&] {
            return !submitter ? At::busy : a.left > 0 ? At::publish : At::done;
        };
        const IdleWord word{w.word};
        switch (a.at) {
            case At::publish:
                ++w.queue;
                --a.left;
                a.at = At::look;
                break;
            case At::look:
                a.at = on_work(word).act ? At::mark : after_wake();
                break;
            case At::mark:
                a.at = apply(on_work(word)) ? At::wake : after_wake();
                break;
            case At::wake:
                ++w.wake_ups;
                a.at = after_wake();
                break;
            case At::take:
                if (w.queue == 0) {
                    a.at = spin_ ? At::search : At::rest;
                } else {
                    --w.queue;
                    a.at = a.searching ? At::found : a.rested ? At::more : At::busy;
                    a.rested = false;
                }
                break;
            case At::search:
                a.searching = a.searching || apply(on_search(word));
                a.rested = true;
                a.at = a.searching ? At::peek : At::rest;
                a.left = a.searching ? 2 : 0;
                break;
            case At::peek:
                --a.left;
                if (w.queue == 0 && a.left > 0) break;
                a.at = w.queue > 0 ? At::take : At::rest;
                a.left = 0;
                break;
            case At::found:
                apply(on_found(word));
                a.searching = false;
                a.at = At::more;
                break;
            case At::more:
                a.at = w.queue > 0 ? At::look : At::busy;
                break;
            case At::rest:
                apply(on_rest(word, a.searching));
                a.searching = false;
                a.rested = true;
                a.at = At::again;
                break;
            case At::again:
                a.at = w.queue > 0 ? At::stay : At::sleep;
                break;
            case At::stay:
                a.at = apply(on_stay(word)) ? At::take : At::sleep;
                break;
            case At::sleep:
                if (w.wake_ups == 0) return false;
                --w.wake_ups;
                a.searching = true;
                a.at = At::take;
                break;
            case At::busy:
                a.at = At::take;
                break;
            case At::done:
                return false;
        }
        visit(w);
        return true;
    }

    std::size_t count_;
    std::size_t submitters_;
    bool spin_;
    bool lost_ = false;
    bool miscounted_ = false;
    std::set<World> seen_;
    std::deque<World> open_;
};

}  // namespace

TEST_CASE("WorkerPool: in no interleaving does a task wait while a worker sleeps") {
    struct Size {
        std::size_t submitters, workers;
        std::uint8_t tasks;
    };
    for (const Size s : {Size{1, 1, 4}, {1, 2, 4}, {2, 1, 3}, {2, 2, 2}, {1, 3, 3}}) {
        for (const bool spin : {false, true}) {
            CAPTURE(s.submitters);
            CAPTURE(s.workers);
            CAPTURE(spin);
            const Walk walk{s.submitters, s.workers, s.tasks, spin};
            CHECK_FALSE(walk.lost_wake_up());
            CHECK_FALSE(walk.miscounted());
            CHECK(walk.worlds() > 50);
        }
    }
}

TEST_CASE("WorkerPool: while a worker searches a burst of tasks wakes nobody else") {
    IdleWord w{};
    for (int i = 0; i < 3; ++i) w = on_rest(w, false).next;
    CHECK(w.sleepers() == 3);
    const IdleStep first = on_work(w);
    CHECK(first.act);
    CHECK(first.next.sleepers() == 2);
    CHECK_FALSE(on_work(first.next).act);
    CHECK(on_work(on_found(first.next).next).act);
    CHECK_FALSE(on_search(first.next).act);
}

TEST_CASE("WorkerPool: of any sixteen turns the lower priorities are first in theirs") {
    for (std::uint64_t start = 0; start < 32; ++start) {
        int low = 0;
        int normal = 0;
        for (std::uint64_t turn = start; turn < start + 16; ++turn) {
            const auto order = level_order(turn);
            low += order[0] == Priority::low;
            normal += order[0] == Priority::normal;
            auto sorted = order;
            std::sort(sorted.begin(), sorted.end());
            // Whatever is first, every level is looked at, the rest from above.
            CHECK(sorted == std::array{Priority::high, Priority::normal, Priority::low});
            CHECK(order[1] < order[2]);
        }
        CHECK(low == 1);
        CHECK(normal == 3);
    }
}
