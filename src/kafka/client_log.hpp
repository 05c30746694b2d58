// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_CLIENT_LOG_HPP
#define RESILIENCE_SRC_KAFKA_CLIENT_LOG_HPP

#include <resilience/clock.hpp>
#include <resilience/kafka/producer_options.hpp>

#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {

/// The log of one client, which its threads write to.
class ClientLog {
public:
    explicit ClientLog(LogHook hook) : hook_(std::move(hook)) {}

    /// Passes a line on with its syslog severity; one that nobody can act on as debug.
    void write(int severity, std::string_view line, TimePoint now);

    /// The last error or warning that is not older than `since`; may be empty.
    std::string trouble_since(TimePoint since) const;

private:
    LogHook hook_;
    mutable std::mutex mutex_;
    std::string trouble_;
    TimePoint troubled_at_{};
};

}  // namespace resilience::kafka::detail

#endif
