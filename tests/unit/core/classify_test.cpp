// SPDX-License-Identifier: MIT
#include <resilience/classify.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <variant>

using namespace resilience;
using namespace std::chrono_literals;

namespace {

template <class E>
struct Expected {
    std::variant<int, E> held;
    bool has_value() const { return held.index() == 0; }
    E error() const { return std::get<1>(held); }
};

template <class E>
std::exception_ptr thrown(E exception) {
    return std::make_exception_ptr(std::move(exception));
}

}  // namespace

namespace mail {

struct Reply {
    int code;
};

Classification resilience_classify(const Reply& reply) {
    if (reply.code == 421) return {Verdict::throttled, false, 30s};
    return {reply.code < 400 ? Verdict::success : Verdict::permanent};
}

}  // namespace mail

TEST_CASE("a refusal by the library is ignored, so that no order of policies counts it") {
    for (const Errc e :
         {Errc::circuit_open,
          Errc::rate_limited,
          Errc::bulkhead_full,
          Errc::shed,
          Errc::queue_full}) {
        CAPTURE(make_error_code(e).message());
        CHECK(is_refusal(e));
        CHECK(classify(fail(e)).verdict == Verdict::ignored);
    }
    CHECK_FALSE(is_refusal(Errc::timed_out));
    CHECK_FALSE(is_refusal(std::make_error_code(std::errc::timed_out)));
}

TEST_CASE("each code of the library has the verdict that its comment promises") {
    CHECK(classify(std::error_code{}).verdict == Verdict::success);
    CHECK(
        classify(make_error_code(Errc::unavailable)) == Classification{Verdict::transient}
    );
    CHECK(
        classify(make_error_code(Errc::connection_lost)) ==
        Classification{Verdict::transient, true}
    );
    CHECK(
        classify(make_error_code(Errc::timed_out_in_doubt)) ==
        Classification{Verdict::transient, true}
    );
    CHECK(
        classify(make_error_code(Errc::cancelled)) == Classification{Verdict::abandoned}
    );
    CHECK(
        classify(make_error_code(Errc::cancelled_in_doubt)) ==
        Classification{Verdict::abandoned, true}
    );
    CHECK(
        classify(make_error_code(Errc::not_found)) ==
        Classification{Verdict::client_error}
    );
    CHECK(
        classify(make_error_code(Errc::access_denied)) ==
        Classification{Verdict::permanent}
    );
    CHECK(
        classify(make_error_code(Errc::protocol_error)) ==
        Classification{Verdict::permanent, true}
    );
}

TEST_CASE("codes of the system are in doubt once something may have been sent") {
    CHECK(
        classify(std::make_error_code(std::errc::connection_refused)) ==
        Classification{Verdict::transient, false}
    );
    CHECK(
        classify(std::error_code{ECONNRESET, std::system_category()}) ==
        Classification{Verdict::transient, true}
    );
    CHECK(
        classify(std::make_error_code(std::errc::permission_denied)) ==
        Classification{Verdict::permanent}
    );
}

TEST_CASE("a cancellation that nobody here asked for is a failure") {
    CHECK(is_failure(classify(std::make_error_code(std::errc::operation_canceled)).verdict
    ));
}

TEST_CASE("an exception is classified by its code, and is permanent without one") {
    CHECK(classify(std::exception_ptr{}).verdict == Verdict::success);
    CHECK(
        classify(thrown(std::system_error{make_error_code(Errc::unavailable)})).verdict ==
        Verdict::transient
    );
    CHECK(classify(thrown(std::logic_error{"bug"})).verdict == Verdict::permanent);
    CHECK(classify(thrown(42)).verdict == Verdict::permanent);
}

TEST_CASE("an expected-like result is classified by its error, hint included") {
    CHECK(classify(Expected<Failure>{1}).verdict == Verdict::success);
    const Expected<Failure> refused{fail(Errc::unavailable, "busy", 3s)};
    CHECK(classify(refused) == Classification{Verdict::transient, false, 3s});
    CHECK(
        classify(Expected<std::error_code>{make_error_code(Errc::not_found)}).verdict ==
        Verdict::client_error
    );
}

TEST_CASE("a failed result is no success, however little is known of its error") {
    enum class Fault { broken };
    CHECK(classify(Expected<std::string>{"broken"}).verdict == Verdict::permanent);
    CHECK(classify(Expected<Fault>{Fault::broken}).verdict == Verdict::permanent);
    CHECK(
        classify(Expected<std::error_code>{std::error_code{}}).verdict ==
        Verdict::permanent
    );
    CHECK(
        classify(Expected<std::errc>{std::errc::timed_out}) ==
        Classification{Verdict::transient, true}
    );
    // Unless its type says so.
    CHECK(classify(Expected<mail::Reply>{mail::Reply{250}}).verdict == Verdict::success);
}

TEST_CASE("values that are no errors are successes") {
    CHECK(classify(0).verdict == Verdict::success);
    CHECK(classify(false).verdict == Verdict::success);
    CHECK(classify(std::optional<int>{}).verdict == Verdict::success);
}

TEST_CASE("a type is classified by the function in its own namespace") {
    CHECK(classify(mail::Reply{250}).verdict == Verdict::success);
    CHECK(classify(mail::Reply{421}) == Classification{Verdict::throttled, false, 30s});
    CHECK(
        classify(Expected<mail::Reply>{mail::Reply{554}}).verdict == Verdict::permanent
    );
}
