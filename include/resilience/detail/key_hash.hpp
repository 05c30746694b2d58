// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_KEY_HASH_HPP
#define RESILIENCE_DETAIL_KEY_HASH_HPP

#include <resilience/detail/sip_hash.hpp>

#include <array>
#include <cstdint>
#include <string_view>

namespace resilience::detail {

/** Hashes keys with a secret, such that whoever does not know it cannot choose keys that
    collide.

    Text goes through SipHash. Numbers go through a permutation of their own, a few
    multiplications by odd secrets, which costs a third of that: two numbers never have
   one hash.
*/
class KeyHash {
public:
    explicit constexpr KeyHash(const HashKey& secret) noexcept : text_{secret} {
        const HashKey other{secret[1], ~secret[0]};
        for (std::uint64_t i = 0; i < numbers_.size(); ++i) {
            numbers_[i] = SipHash<2, 4>{other}(i) | 1;
        }
    }

    constexpr std::uint64_t operator()(std::string_view text) const noexcept {
        return SipHash<1, 3>{text_}(text);
    }

    constexpr std::uint64_t operator()(std::uint64_t number) const noexcept {
        number = (number ^ numbers_[0]) * numbers_[1];
        number = (number ^ number >> 32) * numbers_[2];
        number = (number ^ number >> 29) * numbers_[3];
        return number ^ number >> 32;
    }

private:
    HashKey text_;
    std::array<std::uint64_t, 4> numbers_{};
};

}  // namespace resilience::detail

#endif
