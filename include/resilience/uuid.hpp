// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_UUID_HPP
#define RESILIENCE_UUID_HPP

#include <resilience/clock.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience {

/** A universally unique identifier (RFC 9562).

    @par Thread safety
    A value.
*/
class Uuid {
public:
    /// The nil UUID.
    constexpr Uuid() noexcept = default;

    /** Makes a version 7 UUID: the milliseconds of `now`, then 74 random bits.

        @param random Two words of uniform random bits.
    */
    static constexpr Uuid v7(
        WallClock::time_point now, std::array<std::uint64_t, 2> random
    ) noexcept {
        const auto ms = static_cast<std::uint64_t>(
            std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch()).count()
        );
        Uuid uuid;
        for (std::size_t i = 0; i < 6; ++i) {
            uuid.bytes_[i] = static_cast<std::uint8_t>(ms >> (40 - 8 * i));
        }
        for (std::size_t i = 6; i < 8; ++i) {
            uuid.bytes_[i] = static_cast<std::uint8_t>(random[0] >> (8 * (i - 6)));
        }
        for (std::size_t i = 8; i < 16; ++i) {
            uuid.bytes_[i] = static_cast<std::uint8_t>(random[1] >> (8 * (i - 8)));
        }
        uuid.bytes_[6] = static_cast<std::uint8_t>((uuid.bytes_[6] & 0x0f) | 0x70);
        uuid.bytes_[8] = static_cast<std::uint8_t>((uuid.bytes_[8] & 0x3f) | 0x80);
        return uuid;
    }

    /// Reads the 36-character form, in either case; nothing else is a UUID here.
    static constexpr std::optional<Uuid> parse(std::string_view text) noexcept {
        if (text.size() != 36) return std::nullopt;
        Uuid uuid;
        std::size_t digit = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            if (dash != (text[i] == '-')) return std::nullopt;
            if (dash) continue;
            const int value = hex(text[i]);
            if (value < 0) return std::nullopt;
            auto& byte = uuid.bytes_[digit / 2];
            byte = static_cast<std::uint8_t>((byte << 4) | value);
            ++digit;
        }
        return uuid;
    }

    /// The 36-character form in lower case.
    std::string to_string() const {
        constexpr std::string_view digits = "0123456789abcdef";
        std::string text;
        text.reserve(36);
        for (std::size_t i = 0; i < bytes_.size(); ++i) {
            if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
            text += digits[bytes_[i] >> 4];
            text += digits[bytes_[i] & 0x0f];
        }
        return text;
    }

    constexpr const std::array<std::uint8_t, 16>& bytes() const noexcept {
        return bytes_;
    }
    constexpr bool operator==(const Uuid&) const noexcept = default;

private:
    static constexpr int hex(char c) noexcept {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    }

    std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace resilience

#endif
