// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SIP_HASH_HPP
#define RESILIENCE_DETAIL_SIP_HASH_HPP

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace resilience::detail {

using HashKey = std::array<std::uint64_t, 2>;

/** Computes SipHash-c-d (Aumasson and Bernstein): whoever does not know the key cannot
   choose inputs that collide. One compression and three finalisation rounds are the usual
   choice for tables, two and four the original one.
*/
template <int kCompression, int kFinalisation>
class SipHash {
public:
    explicit constexpr SipHash(const HashKey& key) noexcept
        : v0_{key[0] ^ 0x736f6d6570736575u},
          v1_{key[1] ^ 0x646f72616e646f6du},
          v2_{key[0] ^ 0x6c7967656e657261u},
          v3_{key[1] ^ 0x7465646279746573u} {}

    constexpr std::uint64_t operator()(std::string_view bytes) noexcept {
        const std::size_t whole = bytes.size() / 8 * 8;
        for (std::size_t i = 0; i < whole; i += 8) compress(little_endian(bytes, i, 8));
        const std::uint64_t length = bytes.size() << 56;
        compress(length | little_endian(bytes, whole, bytes.size() - whole));
        return finish();
    }

    /// Hashes the eight bytes of a number, lowest first.
    constexpr std::uint64_t operator()(std::uint64_t number) noexcept {
        compress(number);
        compress(std::uint64_t{8} << 56);
        return finish();
    }

private:
    static constexpr std::uint64_t little_endian(
        std::string_view bytes, std::size_t from, std::size_t count
    ) noexcept {
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const auto byte = static_cast<unsigned char>(bytes[from + i]);
            word |= std::uint64_t{byte} << (8 * i);
        }
        return word;
    }

    constexpr void compress(std::uint64_t word) noexcept {
        v3_ ^= word;
        rounds(kCompression);
        v0_ ^= word;
    }

    constexpr std::uint64_t finish() noexcept {
        v2_ ^= 0xff;
        rounds(kFinalisation);
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }

    constexpr void rounds(int count) noexcept {
        for (; count > 0; --count) {
            v0_ += v1_;
            v2_ += v3_;
            v1_ = std::rotl(v1_, 13) ^ v0_;
            v3_ = std::rotl(v3_, 16) ^ v2_;
            v0_ = std::rotl(v0_, 32);
            v2_ += v1_;
            v0_ += v3_;
            v1_ = std::rotl(v1_, 17) ^ v2_;
            v3_ = std::rotl(v3_, 21) ^ v0_;
            v2_ = std::rotl(v2_, 32);
        }
    }

    std::uint64_t v0_, v1_, v2_, v3_;
};

}  // namespace resilience::detail

#endif
