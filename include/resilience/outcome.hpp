// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_OUTCOME_HPP
#define RESILIENCE_OUTCOME_HPP

#include <resilience/error.hpp>

#include <system_error>
#include <utility>
#include <variant>

namespace resilience {

/** A value, or the @ref Failure that stands in its place.

    What a policy returns for an operation that yields a plain value, so that a refusal
    needs no exception. With Boost at hand, `Result` of `<resilience/asio/result.hpp>` is
    the same idea.
*/
template <class T>
class [[nodiscard]] Outcome {
public:
    using value_type = T;
    using error_type = Failure;

    Outcome(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    Outcome(Failure failure) : held_(std::in_place_index<1>, std::move(failure)) {}

    [[nodiscard]] bool has_value() const noexcept { return held_.index() == 0; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    /// The value. @throws std::system_error The failure, when there is no value.
    T& value() & {
        require();
        return **this;
    }
    const T& value() const& {
        require();
        return **this;
    }
    T value() && {
        require();
        return std::move(**this);
    }

    /// The value; there must be one.
    T& operator*() noexcept { return *std::get_if<0>(&held_); }
    const T& operator*() const noexcept { return *std::get_if<0>(&held_); }
    T* operator->() noexcept { return std::get_if<0>(&held_); }
    const T* operator->() const noexcept { return std::get_if<0>(&held_); }

    /// The failure; there must be one.
    [[nodiscard]] const Failure& error() const noexcept {
        return *std::get_if<1>(&held_);
    }

private:
    void require() const {
        if (!has_value()) throw std::system_error{error().code, error().detail};
    }

    std::variant<T, Failure> held_;
};

/// Success without a value, or a @ref Failure.
template <>
class [[nodiscard]] Outcome<void> {
public:
    using value_type = void;
    using error_type = Failure;

    Outcome() = default;
    Outcome(Failure failure) : failure_(std::move(failure)) {}

    [[nodiscard]] bool has_value() const noexcept { return !failure_.code; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    /// @throws std::system_error The failure, when there is one.
    void value() const {
        if (!has_value()) throw std::system_error{failure_.code, failure_.detail};
    }

    /// The failure; there must be one.
    [[nodiscard]] const Failure& error() const noexcept { return failure_; }

private:
    Failure failure_;
};

}  // namespace resilience

#endif
