// SPDX-License-Identifier: MIT
#include "scripted_peer.hpp"

#include <src/redis/multiplexer.hpp>

#include <boost/asio/cancellation_signal.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;
using resilience::redis::detail::Multiplexer;
using resilience::redis::detail::Request;
using resilience::redis::detail::Wire;

namespace {

struct Step final : Request {
    Step(
        std::string_view name, std::uint64_t key, std::function<void(Result<Reply>)> next
    )
        : Request(Wire({&name, 1}), key), then(std::move(next)) {}
    void complete(Result<Reply> result) override { then(std::move(result)); }
    std::function<void(Result<Reply>)> then;
};

}  // namespace

TEST_CASE("M11: a call cancelled in the moment of its repetition is not sent again") {
    net::io_context io;
    ScriptedPeer peer(io, ScriptedPeer::greeting([](const Command&) {
                          return std::string{};
                      }));
    auto core = std::make_shared<Multiplexer>(io.get_executor(), peer.options());
    net::cancellation_signal signal;
    const auto key = core->next_cancel_key();
    core->cancel_through(signal.slot(), key);

    // Both answers come in one piece: the first cancels, the second repeats the call.
    std::optional<Result<Reply>> outcome;
    core->submit(std::make_unique<Step>("ONE", core->next_cancel_key(), [&](auto) {
        signal.emit(net::cancellation_type::terminal);
    }));
    core->submit(std::make_unique<Step>("TWO", key, [&](auto) {
        core->submit(std::make_unique<Step>("TWO-AGAIN", key, [&](Result<Reply> result) {
            outcome = std::move(result);
        }));
    }));
    while (peer.count("TWO") == 0) io.run_one();
    peer.say("+a\r\n+b\r\n");
    while (!outcome) io.run_one();
    CHECK(outcome->error() == Errc::cancelled);
    CHECK(core->snapshot().in_flight == 0);
    CHECK(peer.count("TWO-AGAIN") == 0);
    core->close();
}
