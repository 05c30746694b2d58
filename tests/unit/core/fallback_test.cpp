// SPDX-License-Identifier: MIT
#include <resilience/fallback.hpp>

#include <resilience/testing/allocation_counter.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

RESILIENCE_COUNT_ALLOCATIONS;

namespace {

using namespace resilience;
using namespace std::chrono_literals;

struct Reply {
    Reply(int v) : state(v) {}
    Reply(Failure f) : state(std::move(f)) {}
    bool has_value() const { return state.index() == 0; }
    int value() const { return std::get<0>(state); }
    const Failure& error() const { return std::get<1>(state); }
    std::variant<int, Failure> state;
};

/// A result of a user's own that tells how it ended.
struct Page {
    int status = 200;
};

Classification resilience_classify(const Page& page) {
    return {page.status >= 500 ? Verdict::transient : Verdict::success};
}

auto failing(Errc code) {
    return [code]() -> Reply { return fail(code); };
}

struct Log {
    std::vector<std::error_code>* seen;
    void on(const FallbackUsed& event) noexcept {
        seen->push_back(event.cause.failure.code);
    }
};

}  // namespace

TEST_CASE("fallback: a success passes, and the alternative is not asked for") {
    int asked = 0;
    Fallback fallback{[&] { return ++asked; }};
    CHECK(fallback.run([] { return Reply{7}; }).value() == 7);
    CHECK(fallback.run([] { return 7; }) == 7);
    CHECK(asked == 0);
    CHECK(fallback.snapshot().used == 0);
}

TEST_CASE("fallback: failures and refusals are replaced; answers and cancellations stand"
) {
    Fallback fallback{42};
    for (const Errc code :
         {Errc::unavailable,
          Errc::timed_out_in_doubt,
          Errc::access_denied,
          Errc::circuit_open,
          Errc::rate_limited,
          Errc::bulkhead_full,
          Errc::shed,
          Errc::queue_full}) {
        CHECK(fallback.run(failing(code)).value() == 42);
    }
    for (const Errc code :
         {Errc::not_found,
          Errc::already_exists,
          Errc::invalid_request,
          Errc::cancelled,
          Errc::cancelled_in_doubt}) {
        CHECK(fallback.run(failing(code)).error() == code);
    }
    CHECK(fallback.snapshot().used == 8);
    CHECK(fallback.snapshot().failed == 0);
}

TEST_CASE("fallback: the alternative is told the cause, by result or by exception") {
    std::vector<FallbackCause> causes;
    Fallback fallback{[&](const FallbackCause& cause) {
        causes.push_back(cause);
        return 1;
    }};
    fallback.run([]() -> Reply { return fail(Errc::circuit_open, "orders", 5s); });
    fallback.run([]() -> int { throw std::system_error{make_error_code(Errc::shed)}; });
    fallback.run([]() -> int { throw std::runtime_error{"boom"}; });
    fallback.run([]() -> int { throw 3; });
    REQUIRE(causes.size() == 4);
    CHECK(causes[0].failure == Errc::circuit_open);
    CHECK(causes[0].failure.detail == "orders");
    CHECK(causes[0].classification.retry_after == 5s);
    CHECK(causes[1].failure == Errc::shed);
    CHECK(causes[1].classification.verdict == Verdict::ignored);
    CHECK(causes[2].failure.detail == "boom");
    CHECK(!causes[2].failure.code);
    CHECK(!causes[3].failure.code);
}

TEST_CASE("fallback: a result that tells how it ended is judged by that") {
    Fallback fallback{Page{203}};
    CHECK(fallback.run([] { return Page{503}; }).status == 203);
    CHECK(fallback.run([] { return Page{200}; }).status == 200);
}

TEST_CASE("fallback: a selection of one's own decides") {
    Fallback fallback{
        42, [](const FallbackCause& cause) { return cause.failure == Errc::not_found; }};
    CHECK(fallback.run(failing(Errc::not_found)).value() == 42);
    CHECK(fallback.run(failing(Errc::unavailable)).error() == Errc::unavailable);
    const auto thrower = []() -> Reply { throw std::runtime_error{"boom"}; };
    CHECK_THROWS_WITH_AS((void)fallback.run(thrower), "boom", std::runtime_error);
}

TEST_CASE("fallback: a selection that takes everything is not asked about successes") {
    int asked = 0;
    Fallback fallback{42, [&asked](const FallbackCause&) { return ++asked > 0; }};
    CHECK(fallback.run([] { return Reply{7}; }).value() == 7);
    CHECK(fallback.run([] { return 7; }) == 7);
    CHECK_FALSE(fallback.wanted({Verdict::slow}, [] { return Failure{}; }));
    CHECK(asked == 0);
    CHECK(fallback.run(failing(Errc::invalid_request)).value() == 42);
    CHECK(asked == 1);
}

TEST_CASE(
    "fallback: what the alternative throws or fails with reaches the caller, counted"
) {
    Fallback throws{[]() -> int { throw std::logic_error{"second"}; }};
    CHECK_THROWS_WITH_AS(
        throws.run(failing(Errc::unavailable)), "second", std::logic_error
    );
    CHECK_THROWS_WITH_AS(
        throws.run([]() -> int { throw std::runtime_error{"first"}; }),
        "second",
        std::logic_error
    );
    CHECK(throws.snapshot().used == 2);
    CHECK(throws.snapshot().failed == 2);

    Fallback fails{[]() -> Reply { return fail(Errc::storage_full); }};
    CHECK(fails.run(failing(Errc::unavailable)).error() == Errc::storage_full);
    CHECK(fails.snapshot().failed == 1);
}

TEST_CASE("fallback: a selection that throws reaches the caller, and nothing is used") {
    Fallback fallback{
        1, [](const FallbackCause&) -> bool { throw std::logic_error{"selection"}; }};
    CHECK_THROWS_WITH((void)fallback.run(failing(Errc::unavailable)), "selection");
    CHECK_THROWS_WITH(
        fallback.run([]() -> int { throw std::runtime_error{"first"}; }), "selection"
    );
    CHECK(fallback.snapshot().used == 0);
}

TEST_CASE("fallback: work that returns nothing has an alternative too") {
    int used = 0;
    Fallback fallback{[&] { ++used; }};
    fallback.run([] {});
    CHECK(used == 0);
    fallback.run([] { throw std::runtime_error{"boom"}; });
    CHECK(used == 1);
}

TEST_CASE("fallback: observers see each use with its cause") {
    std::vector<std::error_code> seen;
    Fallback fallback{1, FailureOrRefusal{}, Log{&seen}};
    fallback.run(failing(Errc::shed));
    fallback.run(failing(Errc::not_found));
    REQUIRE(seen.size() == 1);
    CHECK(seen[0] == Errc::shed);
}

TEST_CASE("fallback: neither a success nor a replaced refusal allocates") {
    Fallback fallback{42};
    const auto refused = failing(Errc::circuit_open);
    testing::AllocationCounter counter;
    const int a = fallback.run([] { return Reply{1}; }).value();
    const int b = fallback.run(refused).value();
    const auto made = counter.made();
    CHECK(made == 0);
    CHECK(a + b == 43);
}
