// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_SHARED_LOOK_HPP
#define RESILIENCE_POSTGRES_SHARED_LOOK_HPP

#include <resilience/clock.hpp>

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

namespace resilience::postgres {

/** Lets the sources of one process that follow one table look for each other.

    A source that shares it (OutboxWindowSourceOptions::shared_look) tells here what its
    looks saw. Asked to look soon after another source did, it does not ask the server if
    that one saw the very snapshot that it saw last itself: nothing was committed between.
    So lanes that have nothing to do, and look shortly after one another, cost the server
    and the process one look. A commit that comes just after the other's look is seen one
    look later; what a source answers is always what it saw itself.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe.
*/
class SharedLook {
public:
    /// @param longest_age How long after its beginning a look still counts for others. 0,
    ///     which shares nothing, to 10 s; default 3 ms.
    /// @throws std::invalid_argument Names the parameter, which is out of range.
    explicit SharedLook(
        std::chrono::milliseconds longest_age = std::chrono::milliseconds{3}
    );

    SharedLook(const SharedLook&) = delete;
    SharedLook& operator=(const SharedLook&) = delete;

    /// Tells that a look that began at `began` saw `snapshot`.
    void saw(std::string_view snapshot, TimePoint began);

    /// Whether a look that began after `since`, and is not too old at `now`, saw
    /// `snapshot` again.
    [[nodiscard]] bool is_unchanged(
        std::string_view snapshot, TimePoint since, TimePoint now
    ) const;

private:
    const std::chrono::milliseconds longest_age_;
    mutable std::mutex mutex_;
    std::string snapshot_;
    TimePoint began_ = TimePoint::min();
};

}  // namespace resilience::postgres

#endif
