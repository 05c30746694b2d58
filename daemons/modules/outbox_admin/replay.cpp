// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/replay.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/detail/header_json.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::modules::outbox_admin {

using resilience::kafka::Message;

Replay::Replay(const Tools& tools, std::string kind)
    : tools_(tools),
      kind_(std::move(kind)),
      mark_topic_(mark_topic(tools)),
      producer_(
          tools.executor, replay_connection(tools.kafka), replay_transactions(tools)
      ) {}

net::awaitable<Result<bool>> Replay::ready() {
    if (is_ready()) co_return false;
    is_known_ = false;
    const auto opened = co_await producer_.open();
    if (!opened) co_return opened.error();
    const auto read = co_await read_marks(tools_, kind_, known_);
    if (!read) co_return read.error();
    is_known_ = true;
    co_return true;
}

net::awaitable<Result<void>> Replay::commit(
    const std::vector<DeadLetter>& letters, std::vector<Mark> marks
) {
    // To open here would take the identity from whoever has it, and not know their marks.
    if (!is_ready()) co_return fail(Errc::internal, "a replay that is not ready");
    std::vector<Message> messages;
    for (const auto& letter : letters) {
        messages.push_back(replay_of(letter));
        if (!letter.is_left_out) continue;
        auto filled = co_await fill(letter, messages.back());
        if (!filled) co_return filled;
    }
    for (auto& [key, value] : marks) {
        messages.push_back(
            {.topic = mark_topic_,
             .key = std::move(key),
             .value = std::move(value),
             .partition = 0}
        );
    }
    auto done = co_await producer_.commit(std::move(messages));
    co_return done;
}

net::awaitable<Result<void>> Replay::fill(const DeadLetter& letter, Message& message) {
    if (!table_) {
        table_.emplace(tools_);
        const auto opened = co_await table_->open();
        if (!opened) {
            table_.reset();
            co_return opened;
        }
    }
    auto content = co_await table_->content_of(letter.event);
    if (!content) co_return content.error();
    if (!*content) co_return fail(Errc::not_found, "there is no row of it");
    message.value = std::move((*content)->event_data);
    std::erase_if(message.headers, [](const Header& header) {
        return header.first == dead_letter_content_header;
    });
    std::ranges::move(
        resilience::detail::read_headers((*content)->headers),
        std::back_inserter(message.headers)
    );
    co_return Result<void>{};
}

resilience::kafka::ProducerOptions replay_connection(
    resilience::kafka::ProducerOptions connection
) {
    connection.request_timeout =
        std::min(connection.request_timeout, std::chrono::milliseconds{4000});
    connection.socket_timeout =
        std::min(connection.socket_timeout, std::chrono::milliseconds{5000});
    return connection;
}

resilience::kafka::TransactionalProducerOptions replay_transactions(const Tools& tools) {
    return {
        .transactional_id = "resilience." + tools.lanes.outbox + ".replay",
        .mark_topic = mark_topic(tools),
        .mark_replicas = tools.lanes.replication_factor,
        .transaction_timeout = std::chrono::milliseconds{6000}};
}

bool blames_letter(const Failure& failure) {
    return failure == Errc::too_large || failure == Errc::invalid_request ||
           failure == Errc::bad_destination || failure == Errc::access_denied ||
           failure == Errc::not_found;
}

}  // namespace resilience::modules::outbox_admin
