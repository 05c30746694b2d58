// SPDX-License-Identifier: MIT
#include <resilience/pipeline.hpp>

#include <doctest/doctest.h>

#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

struct Refuses {
    static constexpr PipelineStage pipeline_stage = PipelineStage::breaker;
    static constexpr Errc refusal = Errc::circuit_open;

    struct Permit {
        explicit operator bool() const { return false; }
        std::chrono::nanoseconds retry_after() const { return 3s; }
        void done(Verdict, TimePoint) && {}
    };

    Permit try_acquire(TimePoint) { return {}; }
};

/// As std::expected, as far as it goes.
template <class E>
struct Unexpected {
    explicit Unexpected(E e) : error(std::move(e)) {}

    E error;
};

template <class T, class E>
class Expected {
public:
    using unexpected_type = Unexpected<E>;

    explicit Expected(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    explicit Expected(Unexpected<E> e)
        : held_(std::in_place_index<1>, std::move(e.error)) {}

    bool has_value() const { return held_.index() == 0; }
    const E& error() const { return std::get<1>(held_); }

private:
    std::variant<T, E> held_;
};

template <class T>
T refused() {
    Pipeline pipeline{Refuses{}};
    const auto operation = [](CallContext&) -> T { throw 0; };
    using Result = decltype(pipeline.run(operation));
    static_assert(std::is_same_v<Result, T>);
    return pipeline.run(operation);
}

}  // namespace

namespace http {

struct Response {
    int status;
    int retry_after;
};

Response resilience_refuse(std::type_identity<Response>, const Failure& failure) {
    using std::chrono::duration_cast;
    const auto wait = duration_cast<std::chrono::seconds>(failure.retry_after);
    return {503, static_cast<int>(wait.count())};
}

}  // namespace http

TEST_CASE("an error code says by itself that a call was refused") {
    CHECK(refused<std::error_code>() == make_error_code(Errc::circuit_open));
}

TEST_CASE("an Outcome is returned as it is") {
    CHECK(refused<Outcome<std::string>>().error() == Errc::circuit_open);
}

TEST_CASE("results of std::expected's kind carry a failure, or at least its code") {
    const auto whole = refused<Expected<int, Failure>>();
    CHECK(whole.error() == Errc::circuit_open);
    CHECK(whole.error().retry_after == 3s);
    CHECK(
        refused<Expected<int, std::error_code>>().error() ==
        make_error_code(Errc::circuit_open)
    );
}

TEST_CASE("a type with a function for refusals is refused in its own words") {
    const http::Response response = refused<http::Response>();
    CHECK(response.status == 503);
    CHECK(response.retry_after == 3);
}

TEST_CASE("a plain value comes back as an Outcome, also one that is like a code") {
    Pipeline pipeline{Refuses{}};
    static_assert(std::is_same_v<
                  decltype(pipeline.run([](CallContext&) { return 0; })),
                  Outcome<int>>);
    static_assert(std::is_same_v<
                  decltype(pipeline.run([](CallContext&) {})),
                  Outcome<void>>);
    const Outcome<void> nothing = pipeline.run([](CallContext&) {});
    REQUIRE_FALSE(nothing);
    CHECK_THROWS_AS(nothing.value(), std::system_error);
}

TEST_CASE("an Outcome without a value throws its failure when asked for the value") {
    Outcome<int> outcome{fail(Errc::shed, "too much")};
    CHECK_THROWS_AS(outcome.value(), std::system_error);
    CHECK(*Outcome<int>{3} == 3);
    CHECK(Outcome<int>{3}.value() == 3);
}
