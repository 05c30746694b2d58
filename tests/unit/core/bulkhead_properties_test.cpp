// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>
#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace resilience;
using detail::WaitEnd;

namespace {

struct Hands {
    TimePoint now() const { return time; }
    TimePoint time{1h};
};

using Timed = Bulkhead<NoObserver, Hands&>;

class Waiter final : public detail::BulkheadWaiter {
    void wake() noexcept override {}
};

/// Counts what it sees, and calls the policy back as it does.
struct Tally {
    void on(const BulkheadRefused&) noexcept {
        ++refused;
        call_back();
    }
    void on(const BulkheadQueued& e) noexcept {
        ++queued;
        most_waiting = std::max(most_waiting, e.waiting);
        call_back();
    }
    void on(const BulkheadWaited& e) noexcept {
        ++waited;
        last = e;
        call_back();
    }
    void on(const BulkheadAbandoned&) noexcept { ++abandoned; }

    void call_back() {
        if (again) again();
    }

    std::function<void()> again;
    int refused = 0;
    int queued = 0;
    int waited = 0;
    int abandoned = 0;
    std::uint32_t most_waiting = 0;
    BulkheadWaited last;
};

void in_threads(int threads, const std::function<void(int)>& body) {
    std::vector<std::thread> running;
    std::latch start{threads};
    for (int i = 0; i < threads; ++i) {
        running.emplace_back([&body, &start, i] {
            start.arrive_and_wait();
            body(i);
        });
    }
    for (std::thread& t : running) t.join();
}

/// Acts at random on a bulkhead, and knows what must come of it.
class Program {
public:
    Program(BulkheadOptions options, std::uint64_t seed)
        : options_(options), bulkhead_(options, {}, hands_), random_(seed) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            hands_.time += std::chrono::milliseconds{in(0, 3)};
            act();
            const auto now = bulkhead_.snapshot();
            REQUIRE(now.in_use == slots_.size() + granted());
            REQUIRE(now.waiting == undecided());
            REQUIRE(now.waiting <= options_.queue);
            REQUIRE((now.waiting == 0 || now.in_use >= now.limit));
        }
        while (!waiters_.empty()) settle(0, WaitEnd::cancelled);
        slots_.clear();
        const auto rest = bulkhead_.snapshot();
        REQUIRE(rest.in_use == 0);
        REQUIRE(rest.waiting == 0);
        for (std::uint32_t i = 0; i < rest.limit; ++i) {
            slots_.push_back(bulkhead_.try_acquire());
            REQUIRE(slots_.back());
        }
        REQUIRE_FALSE(bulkhead_.try_acquire());
    }

private:
    int in(int least, int most) {
        return std::uniform_int_distribution<int>{least, most}(random_);
    }
    std::size_t any_waiter() {
        return static_cast<std::size_t>(in(0, 1000)) % waiters_.size();
    }

    std::size_t granted() const {
        return static_cast<std::size_t>(std::count_if(
            waiters_.begin(),
            waiters_.end(),
            [](const auto& w) { return w->end() == WaitEnd::granted; }
        ));
    }
    std::size_t undecided() const {
        return static_cast<std::size_t>(std::count_if(
            waiters_.begin(), waiters_.end(), [](const auto& w) { return !w->ended(); }
        ));
    }

    void act() {
        switch (in(0, 7)) {
            case 0:
                if (auto slot = bulkhead_.try_acquire())
                    slots_.push_back(std::move(slot));
                return;
            case 1:
            case 2:
                return wait();
            case 3:
                if (!waiters_.empty()) settle(any_waiter(), WaitEnd::cancelled);
                return;
            case 4:
                if (!waiters_.empty()) settle(any_waiter(), WaitEnd::expired);
                return;
            case 5:
                if (slots_.empty()) return;
                std::swap(
                    slots_[static_cast<std::size_t>(in(0, 1000)) % slots_.size()],
                    slots_.back()
                );
                std::move(slots_.back()).done(Verdict::success, hands_.time);
                return slots_.pop_back();
            case 6:
                try {
                    if (slots_.empty()) return;
                    const auto slot = std::move(slots_.back());
                    slots_.pop_back();
                    throw std::runtime_error("the call failed");
                } catch (const std::runtime_error&) {
                }
                return;
            default:
                options_.limit = static_cast<std::uint32_t>(in(1, 4));
                bulkhead_.reconfigure(options_.limit);
        }
    }

    void wait() {
        auto waiter = std::make_unique<Waiter>();
        const auto deadline = hands_.time + std::chrono::milliseconds{in(0, 40)};
        bulkhead_.enlist(*waiter, deadline, hands_.time);
        waiters_.push_back(std::move(waiter));
    }

    void settle(std::size_t i, WaitEnd wanted) {
        std::swap(waiters_[i], waiters_.back());
        const auto waiter = std::move(waiters_.back());
        waiters_.pop_back();
        auto slot = bulkhead_.settle(*waiter, wanted, hands_.time);
        if (wanted == WaitEnd::cancelled) REQUIRE_FALSE(slot);
        if (slot) slots_.push_back(std::move(slot));
    }

    BulkheadOptions options_;
    Hands hands_;
    Timed bulkhead_;
    std::mt19937_64 random_;
    std::vector<Timed::Slot> slots_;
    std::vector<std::unique_ptr<Waiter>> waiters_;
};

/// What threads do to a bulkhead at once; yields how many calls went ahead.
int hammer(Bulkhead<>& bulkhead, std::uint32_t most, int rounds, bool& exceeded) {
    std::atomic<int> calls{0};
    std::atomic<std::uint32_t> in_flight{0};
    std::atomic<bool> too_many{false};
    in_threads(4, [&](int id) {
        std::mt19937_64 random{static_cast<std::uint64_t>(id)};
        std::stop_source stopped;
        stopped.request_stop();
        for (int i = 0; i < rounds; ++i) {
            const auto kind = random() % 8;
            auto slot = kind == 0   ? bulkhead.try_acquire()
                        : kind == 1 ? bulkhead.acquire(Clock::now())
                        : kind == 2 ? bulkhead.acquire(Clock::now() + 1us)
                        : kind == 3
                            ? bulkhead.acquire(TimePoint::max(), stopped.get_token())
                            : bulkhead.acquire();
            if (!slot) continue;
            if (in_flight.fetch_add(1) + 1 > most) too_many = true;
            ++calls;
            if (random() % 4 == 0) std::this_thread::yield();
            in_flight.fetch_sub(1);
            if (random() % 2 == 0) std::move(slot).done();
        }
    });
    exceeded = too_many;
    return calls;
}

}  // namespace

static_assert(!std::is_copy_constructible_v<Bulkhead<>::Slot>);
static_assert(std::is_nothrow_move_constructible_v<Bulkhead<>::Slot>);
static_assert(sizeof(Bulkhead<>::Slot) == 2 * sizeof(void*));

TEST_CASE("programs of acquiring, cancelling, throwing and finishing lose no slot") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        for (const std::uint32_t limit : {1u, 2u, 4u}) {
            for (const std::uint32_t queue : {0u, 1u, 3u}) {
                BulkheadOptions options{.limit = limit, .queue = queue, .max_wait = 30ms};
                Program{options, seed}.run(200);
                options.discipline = QueueDiscipline::codel;
                options.interval = 20ms;
                Program{options, seed}.run(200);
            }
        }
    }
}

TEST_CASE(
    "threads never exceed the limit and leave every slot free (concurrency-limits#234)"
) {
    for (const auto discipline : {QueueDiscipline::fifo, QueueDiscipline::codel}) {
        for (const std::uint32_t limit : {1u, 2u}) {
            Bulkhead bulkhead{
                {.limit = limit,
                 .queue = 3,
                 .max_wait = 1h,
                 .discipline = discipline,
                 .target = 1us,
                 .interval = 10us}};
            bool exceeded = false;
            CHECK(hammer(bulkhead, limit, 3'000, exceeded) > 0);
            CHECK_FALSE(exceeded);
            const auto rest = bulkhead.snapshot();
            CHECK(rest.in_use == 0);
            CHECK(rest.waiting == 0);
            CHECK(rest.limit == limit);
        }
    }
}

TEST_CASE("threads that wait all get through one slot") {
    Bulkhead bulkhead{{.limit = 1, .queue = 3, .max_wait = 24h}};
    int count = 0;  // guarded by the slot
    in_threads(4, [&](int) {
        for (int i = 0; i < 2'000; ++i) {
            const auto slot = bulkhead.acquire();
            if (slot) ++count;
        }
    });
    CHECK(count == 8'000);
}

TEST_CASE("a limit that changes under threads is never exceeded by new calls") {
    Bulkhead bulkhead{{.limit = 3, .queue = 4, .max_wait = 1h}};
    std::atomic<bool> over{false};
    bool exceeded = false;
    std::thread operation{[&] {
        for (std::uint32_t i = 0; !over; ++i) {
            bulkhead.reconfigure(1 + i % 3);
            const auto seen = bulkhead.snapshot();
            if (seen.limit > 3 || seen.in_use > 3) exceeded = true;
        }
    }};
    bool also = false;
    hammer(bulkhead, 3, 3'000, also);
    over = true;
    operation.join();
    CHECK_FALSE(exceeded);
    CHECK_FALSE(also);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("success, refusal and waiting allocate nothing") {
    Hands hands;
    Timed bulkhead{{.limit = 2, .queue = 1}, {}, hands};
    std::stop_source stop;
    testing::AllocationCounter counter;
    {
        auto a = bulkhead.try_acquire();
        auto b = bulkhead.acquire();
        Waiter waiter;
        bulkhead.enlist(waiter, TimePoint::max(), hands.time);
        const auto refused = bulkhead.try_acquire();
        const auto also_refused = bulkhead.acquire();
        std::move(a).done();
        const auto served = bulkhead.settle(waiter, WaitEnd::expired, hands.time);
        hands.time = Clock::now();
        const auto late = bulkhead.acquire(hands.time + 1ns, stop.get_token());
        bulkhead.reconfigure(3);
    }
    CHECK(counter.made() == 0);
    CHECK(bulkhead.snapshot().in_use == 0);
}

TEST_CASE("an observer sees each event, and may call the bulkhead") {
    Hands hands;
    Tally tally;
    Bulkhead<Tally&, Hands&> bulkhead{
        {.limit = 1, .queue = 2, .max_wait = 50ms}, tally, hands};
    tally.again = [&] {
        tally.again = nullptr;
        CHECK_FALSE(bulkhead.try_acquire());
        CHECK(bulkhead.snapshot().in_use == 1);
    };
    auto slot = bulkhead.try_acquire();
    Waiter first;
    Waiter second;
    bulkhead.enlist(first, TimePoint::max(), hands.time);
    CHECK(tally.refused == 1);
    bulkhead.enlist(second, TimePoint::max(), hands.time);
    CHECK(tally.queued == 2);
    CHECK(tally.most_waiting == 2);
    CHECK_FALSE(bulkhead.acquire());
    CHECK(tally.refused == 2);

    std::move(slot).done();
    CHECK(tally.abandoned == 0);
    slot = bulkhead.settle(first, WaitEnd::expired, hands.time + 7ms);
    CHECK(tally.waited == 1);
    CHECK_FALSE(tally.last.error);
    CHECK(tally.last.waited == 7ms);
    CHECK_FALSE(bulkhead.settle(second, WaitEnd::cancelled, hands.time + 8ms));
    CHECK(tally.waited == 2);
    CHECK(tally.last.error == Errc::cancelled);
    CHECK(tally.last.waited == 8ms);
    { const auto dropped = std::move(slot); }
    CHECK(tally.abandoned == 1);
    CHECK(tally.refused == 2);
    CHECK(bulkhead.snapshot().in_use == 0);
}
