// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_HEALTH_HPP
#define RESILIENCE_HOST_HEALTH_HPP

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::host {

enum class HealthState : std::uint8_t { up, degraded, down };

std::string_view to_string(HealthState state) noexcept;

/// What a check found.
struct PartHealth {
    HealthState state = HealthState::up;
    /// For people; public, so without secrets. May be empty.
    std::string detail = {};
    /// For the log alone: the server's own words. May be empty.
    std::string cause = {};
};

/// Whether the program can do its work without a part.
enum class Need : std::uint8_t { required, optional };

/// Asks a part. Must end soon when it is cancelled (`terminal`).
using HealthCheck = std::function<net::awaitable<PartHealth>()>;

struct HealthOptions {
    /// Longest wait for one check; a slower part is down. Default 1 s.
    std::chrono::milliseconds timeout{1000};
    /// A finding is reused for this long, so probes cannot load a part. Default 500 ms.
    std::chrono::milliseconds reuse{500};
    /// Pause between two looks that a program takes by itself, so that its log tells of a
    /// change that nobody asks about. Positive; default 5 s.
    std::chrono::milliseconds watch{5000};
};

/** The parts a program depends on, and how they are.

    A required part that is down makes the program not ready. An optional one that is
   down, or any that is degraded, makes it degraded: it still serves.

    @par Thread safety
    Parts are added before the program runs; reading is safe.
*/
class Health {
public:
    explicit Health(HealthOptions options = {});
    ~Health();
    Health(const Health&) = delete;
    Health& operator=(const Health&) = delete;

    /// @throws std::invalid_argument The name is empty or taken.
    void add(std::string name, Need need, HealthCheck check);

    struct Finding {
        std::string name;
        Need need;
        PartHealth health;
    };

    using Observer = std::function<void(const Finding&)>;

    /// Calls `observer` when a check finds a part in another state than the last one did,
    /// and when the first one does not find it up. Set before the program runs; called by
    /// whoever checks, for one change of a part after the other.
    void on_change(Observer observer);

    /// Checks every part, all at once.
    net::awaitable<std::vector<Finding>> examine();

    /// Checks one part; empty when there is none of this name.
    net::awaitable<std::optional<Finding>> examine(std::string name);

    /// The verdict on the whole: down only when a required part is.
    static HealthState overall(const std::vector<Finding>& findings) noexcept;

    /// From now on the program is not ready, whatever its parts say.
    void begin_drain() noexcept;
    bool draining() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::host

#endif
