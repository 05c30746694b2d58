// SPDX-License-Identifier: MIT
#include <resilience/redis/connection.hpp>

#include "multiplexer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace resilience::redis {
namespace {

// Commands that change what the connection is for everybody who shares it, or whose
// answers do not come one for one.
constexpr std::array<std::string_view, 22> unshareable{
    "ASKING",      "AUTH",       "DISCARD",    "EXEC",         "HELLO",
    "MONITOR",     "MULTI",      "PSUBSCRIBE", "PSYNC",        "PUNSUBSCRIBE",
    "QUIT",        "READONLY",   "READWRITE",  "REPLCONF",     "RESET",
    "SELECT",      "SSUBSCRIBE", "SUBSCRIBE",  "SUNSUBSCRIBE", "SYNC",
    "UNSUBSCRIBE", "WATCH"};

std::string upper(std::string_view word) {
    std::string result(word.substr(0, 16));
    std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) {
        return static_cast<char>(std::toupper(c));
    });
    return result;
}

std::optional<Failure> refusal(const std::vector<std::string>& args) {
    if (args.empty() || args[0].empty()) {
        return fail(Errc::invalid_request, "the command is empty");
    }
    const auto name = upper(args[0]);
    const bool shareable =
        std::find(unshareable.begin(), unshareable.end(), name) == unshareable.end();
    const auto sub = name == "CLIENT" && args.size() > 1 ? upper(args[1]) : std::string{};
    if (shareable && sub != "REPLY" && sub != "TRACKING") return std::nullopt;
    return fail(Errc::invalid_request, name + ": not possible on a shared connection");
}

class CommandRequest final : public detail::Request {
public:
    CommandRequest(
        detail::Wire command, std::uint64_t key, detail::Completion<Reply> completion
    )
        : Request(std::move(command), key), completion_(std::move(completion)) {}

    void complete(Result<Reply> result) override {
        if (result && result->is_error()) {
            if (auto failure = detail::server_failure(result->text)) {
                result = std::move(*failure);
            }
        }
        completion_(std::move(result));
    }

private:
    detail::Completion<Reply> completion_;
};

}  // namespace

Connection::Connection(executor_type executor, ConnectionOptions options)
    : core_(std::make_shared<detail::Multiplexer>(std::move(executor), std::move(options))
      ) {}

Connection::~Connection() { core_->close(); }

Connection::executor_type Connection::get_executor() const { return core_->executor(); }

void Connection::close() { core_->close(); }

ConnectionSnapshot Connection::snapshot() const { return core_->snapshot(); }

void Connection::Initiate::operator()(
    Handler<Reply> handler, std::vector<std::string> args
) const {
    const auto slot = net::get_associated_cancellation_slot(handler);
    detail::Completion<Reply> completion(std::move(handler), core->executor());
    if (auto failure = refusal(args)) return completion(std::move(*failure));

    const std::vector<std::string_view> views(args.begin(), args.end());
    const auto key = core->next_cancel_key();
    core->cancel_through(slot, key);
    core->submit(
        std::make_unique<CommandRequest>(detail::Wire(views), key, std::move(completion))
    );
}

}  // namespace resilience::redis
