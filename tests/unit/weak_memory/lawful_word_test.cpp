// SPDX-License-Identifier: MIT
// What a word does while its law is replaced.
#include "unit/weak_memory/sync.hpp"

#include <resilience/fixed_window.hpp>
#include <resilience/sliding_window.hpp>

#include <resilience/detail/lawful_word.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using namespace resilience;
using namespace resilience::testing::weak;

namespace {

const TimePoint start = TimePoint{} + 1h;

/// Counts up to a limit, and fails an exploration in which it is read before it is
/// written.
class Tally {
public:
    struct Moment {};

    struct Start {
        Start() = default;
        Start(std::int64_t w, int b) : word{w}, beyond{b} {}
        Start(const Start& other) : word{other.word}, beyond{other.beyond.get()} {}
        Start& operator=(const Start& other) {
            word = other.word;
            beyond.set(other.beyond.get());
            return *this;
        }

        std::int64_t word = 0;
        Plain<int> beyond{0};
    };

    explicit Tally(int limit) : limit_{limit} {}
    Tally(const Tally& other) : limit_{other.limit_.get()} {}
    Tally& operator=(const Tally&) = delete;

    std::uint32_t limit() const { return static_cast<std::uint32_t>(limit_.get()); }
    Moment moment(std::int64_t) const { return {}; }
    std::int64_t idle(Moment) const { return 0; }
    std::int64_t join(std::int64_t a, std::int64_t) const { return a; }
    std::int64_t undo(std::int64_t word, std::uint32_t n, Moment, std::int64_t first)
        const {
        return word - n < first ? word : word - n;
    }
    detail::Taking take(std::int64_t word, std::uint32_t n, Moment) const {
        const bool fits = word + n <= limit_.get();
        return {word + n, {fits, fits ? 0ns : 1ns}};
    }
    LimiterSnapshot snapshot(std::int64_t word, Moment) const {
        const auto left = static_cast<std::uint32_t>(limit_.get() - word);
        return {.limit = limit(), .available = left};
    }
    Start carried(const Tally& old, std::int64_t word, const Start& from, std::int64_t)
        const {
        demand(word <= old.limit_.get(), "the word is by the law that ended");
        const auto taken = static_cast<int>(word) + from.beyond.get();
        const int counted = taken < limit_.get() ? taken : limit_.get();
        return {counted, taken - counted};
    }

private:
    Plain<int> limit_;
};

/// A word of which the law changes.
struct Counter {
    explicit Counter(int limit) : word{Tally{limit}, limit} {}

    bool take() { return word.try_acquire(1, start).admitted; }
    void change(int limit) { word.replace(Tally{limit}, limit, 0); }

    detail::LawfulWord<Tally, int> word;
};

}  // namespace

TEST_CASE("weak memory: nothing is taken twice while a law is replaced twice") {
    const Exploration all = explore([] {
        Counter counter{2};
        static_cast<void>(counter.take());
        int taken = 1;
        run(
            {[&] {
                 counter.change(1);
                 counter.change(2);
             },
             [&] {
                 if (counter.take()) ++taken;
                 if (counter.take()) ++taken;
             }}
        );
        demand(taken <= 2, "no more than by any of the laws");
        const int left = static_cast<int>(counter.word.snapshot(start).available);
        demand(taken + left == 2, "none is lost");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: threads that find a law replaced go on with the same count") {
    const Exploration all = explore([] {
        Counter counter{1};
        int taken = 0;
        const auto take = [&] {
            if (counter.take()) ++taken;
        };
        run({[&] { counter.change(2); }, take, take});
        const int left = static_cast<int>(counter.word.snapshot(start).available);
        demand(taken + left == 2, "as many as the law allows");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: two changes at once take place in turn, and looks see one law") {
    const Exploration all = explore([] {
        Counter counter{1};
        LimiterSnapshot seen;
        int options = 0;
        run(
            {[&] { counter.change(2); },
             [&] { counter.change(3); },
             [&] {
                 seen = counter.word.snapshot(start);
                 options = counter.word.options();
             }}
        );
        demand(seen.available == seen.limit, "nothing was taken");
        demand(options >= 1 && options <= 3, "the options are those of a law");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: a refund finds what it gives back, or comes too late") {
    const Exploration all = explore([] {
        FixedWindow window{{.limit = 2, .window = 1h}};
        static_cast<void>(window.try_acquire(1, start));
        bool back = false;
        run(
            {[&] { window.reconfigure({.limit = 3, .window = 1h}, start); },
             [&] { back = window.refund(1, start); }}
        );
        const int left = static_cast<int>(window.snapshot(start).available);
        demand(left == (back ? 3 : 2), "as much as was taken");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: what is taken while a lower limit comes is not given back by it"
) {
    const Exploration all = explore([] {
        Counter counter{2};
        static_cast<void>(counter.take());
        // Taken after the instant of the change, which is 0, by whichever law comes
        // first.
        run(
            {[&] { counter.change(1); },
             [&] {
                 if (counter.take()) static_cast<void>(counter.word.refund(1, start));
             }}
        );
        const int left = static_cast<int>(counter.word.snapshot(start).available);
        demand(left == 0, "what was taken before is all that the law allows");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}

TEST_CASE("weak memory: words of a sliding window are read as they were written") {
    const Exploration all = explore([] {
        SlidingWindow window{{.limit = 3, .window = 1h}};
        static_cast<void>(window.try_acquire(2, start));
        int taken = 2;
        run(
            {[&] { window.reconfigure({.limit = 900, .window = 1h}, start); },
             [&] {
                 if (window.try_acquire(2, start)) taken += 2;
                 if (window.try_acquire(1, start)) ++taken;
             }}
        );
        const int left = static_cast<int>(window.snapshot(start).available);
        demand(taken + left == 900, "none is lost, none is minted");
    });
    CHECK(all.failure == "");
    CHECK(all.complete);
}
