// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_RANDOM_HPP
#define RESILIENCE_RANDOM_HPP

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <random>

namespace resilience {

/** A small, fast source of random bits for jitter and sampling; not for secrets.

    The generator is xoshiro256** of D. Blackman and S. Vigna, seeded by splitmix64. It is
    a `std::uniform_random_bit_generator`.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe. See @ref thread_random.
*/
class Random {
public:
    using result_type = std::uint64_t;

    /// Makes a generator whose sequence `seed` decides.
    explicit constexpr Random(std::uint64_t seed) noexcept {
        for (std::uint64_t& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            std::uint64_t z = seed;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
            z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
            word = z ^ (z >> 31);
        }
    }

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept {
        return std::numeric_limits<result_type>::max();
    }

    /// The next 64 uniform bits.
    constexpr result_type operator()() noexcept {
        const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
        const std::uint64_t shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

private:
    std::array<std::uint64_t, 4> state_{};
};

/// Uniform in [0, 1): the top 53 bits, which a double holds exactly.
constexpr double fraction_of(std::uint64_t bits) noexcept {
    return static_cast<double>(bits >> 11) / 9007199254740992.0;
}

/// The calling thread's generator, seeded by the operating system: what default arguments
/// of the policies draw from.
inline Random& thread_random() {
    thread_local Random random{[] {
        std::random_device device;
        return std::uint64_t{device()} << 32 | device();
    }()};
    return random;
}

}  // namespace resilience

#endif
