// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/replay.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/lane_positions.hpp>
#include <resilience/uuid.hpp>

#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace resilience::modules::outbox_admin {

namespace json = boost::json;
using resilience::kafka::Message;

Replay::Replay(const Tools& tools)
    : tools_(tools),
      positions_(resilience::kafka::LanePositions{
          tools.executor, tools.kafka, tools.lanes}
                     .topic()),
      producer_(
          tools.executor,
          tools.kafka,
          {.transactional_id = "resilience." + tools.lanes.outbox + ".replay",
           .transaction_timeout = tools.lanes.transaction_timeout}
      ) {}

net::awaitable<Result<void>> Replay::open() {
    auto opened = co_await producer_.open();
    co_return opened;
}

net::awaitable<Result<void>> Replay::commit(
    const std::vector<DeadLetter>& letters, std::vector<Mark> marks
) {
    std::vector<Message> messages;
    for (const auto& letter : letters) {
        messages.push_back(replay_of(letter));
        if (!letter.is_left_out) continue;
        auto filled = co_await fill(letter, messages.back());
        if (!filled) co_return filled;
    }
    for (auto& [key, value] : marks) {
        messages.push_back(
            {.topic = positions_,
             .key = std::move(key),
             .value = std::move(value),
             .partition = 0}
        );
    }
    if (!producer_.is_open()) {
        auto opened = co_await producer_.open();
        if (!opened) co_return opened;
    }
    auto done = co_await producer_.commit(std::move(messages));
    co_return done;
}

net::awaitable<Result<void>> Replay::fill(const DeadLetter& letter, Message& message) {
    if (!connection_) {
        auto opened = co_await connect(tools_);
        if (!opened) co_return opened.error();
        connection_.emplace(std::move(*opened));
    }
    if (!Uuid::parse(letter.event)) {
        co_return fail(Errc::not_found, "there is no row of it");
    }
    const auto rows = co_await connection_->async_execute(
        "SELECT event_data, headers FROM outbox_events WHERE id = $1::uuid",
        resilience::postgres::parameters(letter.event),
        net::use_awaitable
    );
    if (!rows) co_return rows.error();
    if (rows->size() == 0) co_return fail(Errc::not_found, "there is no row of it");
    const auto row = (*rows)[0];
    message.value = row.text(0);
    std::erase_if(message.headers, [](const Header& header) {
        return header.first == dead_letter_content_header;
    });
    boost::system::error_code broken;
    const auto headers = json::parse(row.text(1), broken);
    if (!broken && headers.is_object()) {
        for (const auto& [name, value] : headers.get_object()) {
            message.headers.emplace_back(
                std::string{name},
                value.is_string() ? std::string{value.get_string()}
                                  : json::serialize(value)
            );
        }
    }
    co_return Result<void>{};
}

bool blames_letter(const Failure& failure) {
    return failure == Errc::too_large || failure == Errc::invalid_request ||
           failure == Errc::bad_destination || failure == Errc::access_denied ||
           failure == Errc::not_found;
}

}  // namespace resilience::modules::outbox_admin
