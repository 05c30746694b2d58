// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ADMISSION_HPP
#define RESILIENCE_ADMISSION_HPP

#include <chrono>

namespace resilience {

/** Answers whether a call may go ahead and, if not, when to ask again.

    Being refused is a value, not an error: no policy of this library throws it.

    @par Example
    @code
    if (Admission a = bucket.try_acquire(); !a) return too_many_requests(a.retry_after);
    @endcode
*/
struct Admission {
    /// The @ref retry_after of a request that cannot succeed however long it waits, such
    /// as one for more tokens than the bucket holds.
    static constexpr std::chrono::nanoseconds never = std::chrono::nanoseconds::max();

    /// Whether the call may go ahead.
    bool admitted = false;

    /// Time from the decision to the moment the same request would be admitted if nobody
    /// else asked meanwhile: never too short. Zero when admitted; @ref never when no wait
    /// helps.
    std::chrono::nanoseconds retry_after{0};

    /// Makes the answer of a call that may go ahead.
    [[nodiscard]] static constexpr Admission admit() noexcept {
        return {true, std::chrono::nanoseconds{0}};
    }

    /// Makes the answer of a call that may be repeated after `wait`.
    [[nodiscard]] static constexpr Admission refuse(std::chrono::nanoseconds wait
    ) noexcept {
        return {false, wait};
    }

    /// Whether waiting can help: admitted, or refused for a finite time.
    [[nodiscard]] constexpr bool possible() const noexcept {
        return admitted || retry_after != never;
    }

    [[nodiscard]] constexpr explicit operator bool() const noexcept { return admitted; }

    friend constexpr bool operator==(const Admission&, const Admission&) = default;
};

}  // namespace resilience

#endif
