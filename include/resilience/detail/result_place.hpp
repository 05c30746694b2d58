// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_RESULT_PLACE_HPP
#define RESILIENCE_DETAIL_RESULT_PLACE_HPP

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace resilience::detail {

/** A place for one result, empty at first.

    As `std::optional`, but filled without a look at what is there, and in place by what a
    function returns.
*/
template <class R>
class ResultPlace {
public:
    ResultPlace() noexcept {}

    ResultPlace(ResultPlace&& other) noexcept(std::is_nothrow_move_constructible_v<R>) {
        take(other);
    }

    ResultPlace& operator=(ResultPlace&& other
    ) noexcept(std::is_nothrow_move_constructible_v<R>) {
        if (this != &other) {
            clear();
            take(other);
        }
        return *this;
    }

    ~ResultPlace() { clear(); }

    /// Puts what `make()` returns here. The place must be empty.
    template <class Make>
    void fill(Make&& make) {
        ::new (static_cast<void*>(std::addressof(value_))) R(std::forward<Make>(make)());
        full_ = true;
    }

    void clear() noexcept {
        if (full_) value_.~R();
        full_ = false;
    }

    explicit operator bool() const noexcept { return full_; }

    /// The result; there must be one.
    R& operator*() noexcept { return value_; }
    const R& operator*() const noexcept { return value_; }

private:
    void take(ResultPlace& other) {
        if (!other.full_) return;
        fill([&other]() -> R&& { return std::move(other.value_); });
    }

    union {
        R value_;
    };
    bool full_ = false;
};

}  // namespace resilience::detail

#endif
