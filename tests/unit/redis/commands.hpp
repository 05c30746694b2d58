// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_REDIS_COMMANDS_HPP
#define RESILIENCE_TESTS_UNIT_REDIS_COMMANDS_HPP

#include "scripted_peer.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace resilience::redis::test {

inline std::string echo(const Command& command) {
    return "$" + std::to_string(command.at(1).size()) + "\r\n" + command.at(1) + "\r\n";
}

// Starts a command whose outcome appears in the returned place.
inline std::shared_ptr<std::optional<Result<Reply>>> start(
    Connection& connection, Command command, net::cancellation_signal* signal = nullptr
) {
    auto place = std::make_shared<std::optional<Result<Reply>>>();
    auto store = [place](Result<Reply> result) { *place = std::move(result); };
    if (signal != nullptr) {
        connection.async_command(
            std::move(command), net::bind_cancellation_slot(signal->slot(), store)
        );
    } else {
        connection.async_command(std::move(command), store);
    }
    return place;
}

template <class Condition>
void run_until(net::io_context& io, Condition condition) {
    io.restart();
    while (!condition() && io.run_one() > 0) {
    }
    REQUIRE(condition());
}

inline Result<Reply> ask(net::io_context& io, Connection& connection, Command command) {
    auto place = start(connection, std::move(command));
    run_until(io, [&] { return place->has_value(); });
    return **place;
}

}  // namespace resilience::redis::test

#endif
