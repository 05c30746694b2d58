// SPDX-License-Identifier: MIT
#include <resilience/outcome.hpp>
#include <resilience/timeout.hpp>

#include <resilience/testing/allocation_counter.hpp>
#include <resilience/testing/manual_clock.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using testing::ManualClock;

/// The smallest type like `std::expected`.
template <class T, class E = Failure>
class Expected {
public:
    Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Expected(E error) : state_(std::in_place_index<1>, std::move(error)) {}
    bool has_value() const { return state_.index() == 0; }
    const T& value() const { return std::get<0>(state_); }
    const E& error() const { return std::get<1>(state_); }

private:
    std::variant<T, E> state_;
};

struct Events {
    std::vector<std::string>* log;
    void on(const CallTimedOut&) noexcept { log->push_back("timed out"); }
    void on(const CallDetached&) noexcept { log->push_back("detached"); }
};

/// What a call is said to have ended with that ended with `failure` in time `after` of 1
/// s.
template <class R = Expected<int>>
R end_of(Timeout<>& timeout, nanoseconds after, R own) {
    ManualClock clock;
    return timeout.run(
        [&](TimePoint, std::stop_token) {
            clock.advance(after);
            return own;
        },
        {},
        clock
    );
}

}  // namespace

TEST_CASE("timeout: an option out of range is refused by name") {
    const auto refused = [](const TimeoutOptions& options, const char* field) {
        try {
            Timeout<> timeout{options};
            FAIL("not refused");
        } catch (const std::invalid_argument& e) {
            CHECK(std::string{e.what()}.starts_with(field));
        }
    };
    refused({.limit = 0ns}, "TimeoutOptions::limit ");
    refused({.limit = -1ns}, "TimeoutOptions::limit ");
    refused({.limit = nanoseconds::min()}, "TimeoutOptions::limit ");
    refused({.detach_after = -1ns}, "TimeoutOptions::detach_after ");
    CHECK_NOTHROW(Timeout<>{{.limit = 1ns, .detach_after = 0ns}});
    CHECK_NOTHROW(Timeout<>{{.limit = nanoseconds::max()}});
}

TEST_CASE("timeout: options are replaced together, or not at all") {
    Timeout timeout{{.limit = 2s}};
    CHECK(timeout.options() == TimeoutOptions{.limit = 2s});
    CHECK_THROWS_AS(
        timeout.reconfigure({.limit = 5s, .detach_after = -1s}), std::invalid_argument
    );
    CHECK(timeout.options() == TimeoutOptions{.limit = 2s});
    timeout.reconfigure({.limit = 5s, .detach_after = 1s});
    CHECK(timeout.options() == TimeoutOptions{.limit = 5s, .detach_after = 1s});
}

TEST_CASE("timeout: the deadline is the nearer one, and never overflows") {
    const TimePoint now{100s};
    Timeout timeout{{.limit = 2s}};
    CHECK(timeout.deadline(now) == now + 2s);
    CHECK(timeout.deadline(now, now + 1s) == now + 1s);
    CHECK(timeout.deadline(now, now + 3s) == now + 2s);
    timeout.reconfigure({.limit = nanoseconds::max()});
    CHECK(timeout.deadline(now) == TimePoint::max());
    CHECK(timeout.deadline(TimePoint::max()) == TimePoint::max());
    timeout.reconfigure({.limit = nanoseconds::max() - 1ns});
    CHECK(timeout.deadline(now) == TimePoint::max());
    static_assert(detail::saturated_add(TimePoint{5ns}, -7ns) == TimePoint{-2ns});
}

TEST_CASE("timeout: what broke off past the deadline timed out, in doubt if it was sent"
) {
    Timeout timeout{{.limit = 1s}};
    CHECK(end_of(timeout, 1s, {fail(Errc::cancelled)}).error() == Errc::timed_out);
    CHECK(end_of(timeout, 1s, {fail(Errc::unavailable)}).error() == Errc::timed_out);
    CHECK(end_of(timeout, 2s, {fail(Errc::timed_out)}).error() == Errc::timed_out);
    for (const Errc own :
         {Errc::cancelled_in_doubt,
          Errc::connection_lost,
          Errc::timed_out_in_doubt,
          Errc::internal,
          Errc::protocol_error}) {
        CHECK(end_of(timeout, 1s, {fail(own)}).error() == Errc::timed_out_in_doubt);
    }
    CHECK(timeout.snapshot().timed_out == 8);
    CHECK(timeout.snapshot().late == 0);
}

TEST_CASE("timeout: before the deadline every end stands") {
    Timeout timeout{{.limit = 1s}};
    for (const Errc own : {Errc::cancelled, Errc::connection_lost, Errc::internal}) {
        CHECK(end_of(timeout, 1s - 1ns, {fail(own)}).error() == own);
    }
    CHECK(end_of(timeout, 0s, {7}).value() == 7);
    CHECK(timeout.snapshot().timed_out == 0);
    CHECK(timeout.snapshot().late == 0);
}

TEST_CASE("timeout: an answer stands however late, and so does a refusal") {
    Timeout timeout{{.limit = 1s}};
    CHECK(end_of(timeout, 5s, {7}).value() == 7);
    CHECK(
        end_of(timeout, 5s, {fail(Errc::already_exists)}).error() == Errc::already_exists
    );
    // (resilience4j#1657): a full bulkhead must not look like a slow peer.
    CHECK(
        end_of(timeout, 5s, {fail(Errc::bulkhead_full)}).error() == Errc::bulkhead_full
    );
    CHECK(timeout.snapshot().late == 3);
    CHECK(timeout.snapshot().timed_out == 0);
    CHECK(!detail::end_past_deadline({Verdict::throttled, false}).has_value());
}

TEST_CASE("timeout: a caller who stops learns the call's own end (resilience4j#1428)") {
    Timeout timeout{{.limit = 1s}};
    ManualClock clock;
    std::stop_source stop;
    const auto r = timeout.run(
        [&](TimePoint, std::stop_token token) -> Expected<int> {
            stop.request_stop();
            CHECK(token.stop_requested());
            clock.advance(2s);
            return fail(Errc::cancelled);
        },
        stop.get_token(),
        clock
    );
    CHECK(r.error() == Errc::cancelled);
    CHECK(timeout.snapshot().timed_out == 0);
}

TEST_CASE("timeout: the work is told its deadline, which may be the caller's") {
    Timeout timeout{{.limit = 1s}};
    ManualClock clock;
    const TimePoint start = clock.now();
    timeout.run(
        [&](TimePoint end, std::stop_token) { CHECK(end == start + 1s); }, {}, clock
    );
    timeout.run(
        [&](TimePoint end, std::stop_token) { CHECK(end == start + 5ms); },
        {},
        clock,
        start + 5ms
    );
}

TEST_CASE("timeout: a result that holds a bare error code gets the code") {
    Timeout timeout{{.limit = 1s}};
    using Coded = Expected<int, std::error_code>;
    const auto r = end_of<Coded>(
        timeout, 1s, Coded{std::make_error_code(std::errc::operation_canceled)}
    );
    CHECK(r.error() == make_error_code(Errc::timed_out_in_doubt));
}

TEST_CASE("timeout: an exception past the deadline is a timeout that holds it") {
    Timeout timeout{{.limit = 1s}};
    ManualClock clock;
    const auto thrower = [&](nanoseconds after) {
        timeout.run(
            [&](TimePoint, std::stop_token) {
                clock.advance(after);
                throw std::runtime_error{"broken off"};
            },
            {},
            clock
        );
    };
    CHECK_THROWS_AS(thrower(0s), std::runtime_error);
    CHECK(timeout.snapshot().timed_out == 0);
    try {
        thrower(1s);
        FAIL("nothing thrown");
    } catch (const std::system_error& e) {
        CHECK(e.code() == Errc::timed_out_in_doubt);
        CHECK_THROWS_WITH(std::rethrow_if_nested(e), "broken off");
    }
    CHECK(timeout.snapshot().timed_out == 1);
}

TEST_CASE("timeout: work that returns nothing, or a bare value, is only counted as late"
) {
    Timeout timeout{{.limit = 1s}};
    ManualClock clock;
    timeout.run([&](TimePoint, std::stop_token) { clock.advance(2s); }, {}, clock);
    const int n = timeout.run(
        [&](TimePoint, std::stop_token) {
            clock.advance(2s);
            return 3;
        },
        {},
        clock
    );
    CHECK(n == 3);
    CHECK(timeout.snapshot().late == 2);
}

TEST_CASE("timeout: calls that are left running are counted beyond the timeout's life") {
    std::vector<std::string> log;
    std::shared_ptr<void> running;
    {
        Timeout timeout{{.limit = 1s, .detach_after = 1s}, Events{&log}};
        running = timeout.detach();
        auto other = timeout.detach();
        CHECK(timeout.snapshot().detached == 2);
        CHECK(timeout.snapshot().still_running == 2);
        CHECK(timeout.snapshot().timed_out == 2);
        other.reset();
        CHECK(timeout.snapshot().still_running == 1);
    }
    running.reset();
    CHECK(
        log == std::vector<std::string>{"timed out", "detached", "timed out", "detached"}
    );
}

TEST_CASE("timeout: observers hear of timeouts, and not of late answers") {
    std::vector<std::string> log;
    Timeout timeout{{.limit = 1s}, Events{&log}};
    timeout.judge_late({Verdict::success});
    CHECK(log.empty());
    timeout.judge_late({Verdict::abandoned, true});
    CHECK(log == std::vector<std::string>{"timed out"});
}

TEST_CASE("timeout: a call allocates nothing") {
    Timeout timeout{{.limit = 1s}};
    ManualClock clock;
    testing::AllocationCounter counter;
    for (int i = 0; i < 10; ++i) {
        const int n =
            timeout.run([](TimePoint, std::stop_token) { return 1; }, {}, clock);
        CHECK(n == 1);
        const Outcome<int> late = timeout.run(
            [&](TimePoint, std::stop_token) -> Outcome<int> {
                clock.advance(2s);
                return fail(Errc::cancelled);
            },
            {},
            clock
        );
        CHECK(late.error() == Errc::timed_out);
    }
    CHECK(counter.made() == 0);
}
