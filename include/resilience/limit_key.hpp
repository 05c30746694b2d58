// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_LIMIT_KEY_HPP
#define RESILIENCE_LIMIT_KEY_HPP

#include <resilience/detail/key_hash.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience {

/// Names whom a limit is for: text, of which the characters must outlive the call, or a
/// number.
class LimitKey {
public:
    LimitKey(std::string_view text) noexcept : text_{text} {}
    LimitKey(const std::string& text) noexcept : text_{text} {}
    LimitKey(const char* text) noexcept : text_{text} {}
    LimitKey(std::integral auto number) noexcept
        : number_{static_cast<std::uint64_t>(number)}, is_number_{true} {}

    std::uint64_t hash(const detail::KeyHash& hash) const noexcept {
        return is_number_ ? hash(number_) : hash(text_);
    }

private:
    std::string_view text_;
    std::uint64_t number_ = 0;
    bool is_number_ = false;
};

}  // namespace resilience

#endif
