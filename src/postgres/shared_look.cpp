// SPDX-License-Identifier: MIT
#include <resilience/postgres/shared_look.hpp>

#include <resilience/detail/saturated_add.hpp>

#include <stdexcept>

namespace resilience::postgres {

using std::chrono::milliseconds;

SharedLook::SharedLook(milliseconds longest_age) : longest_age_(longest_age) {
    if (longest_age < milliseconds{0} || longest_age > milliseconds{10'000}) {
        throw std::invalid_argument("longest_age: must be 0 to 10 s");
    }
}

void SharedLook::saw(std::string_view snapshot, TimePoint began) {
    const std::lock_guard lock(mutex_);
    // Looks may overlap: the one that began last knows best.
    if (began < began_) return;
    snapshot_ = snapshot;
    began_ = began;
}

bool SharedLook::is_unchanged(std::string_view snapshot, TimePoint since, TimePoint now)
    const {
    const std::lock_guard lock(mutex_);
    return began_ > since && now < detail::saturated_add(began_, longest_age_) &&
           snapshot == snapshot_;
}

}  // namespace resilience::postgres
