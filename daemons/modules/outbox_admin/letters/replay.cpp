// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/replay.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/detail/header_json.hpp>
#include <resilience/detail/lane_fault.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::modules::outbox_admin {

using resilience::kafka::Message;

Replay::Replay(const Tools& tools, std::string kind)
    : tools_(tools),
      kind_(std::move(kind)),
      options_(replay_transactions(tools)),
      producer_(tools.executor, replay_connection(tools.kafka), options_) {}

net::awaitable<Result<bool>> Replay::ready() {
    if (is_ready()) co_return false;
    is_known_ = false;
    const auto opened = co_await producer_.open();
    if (!opened) co_return opened.error();
    const auto tried = co_await try_marks();
    if (!tried) co_return tried.error();
    const auto read = co_await read_marks(tools_, kind_, known_);
    if (!read) co_return read.error();
    is_known_ = true;
    co_return true;
}

// The cluster does not say which of its topics a transaction may not write to, and a
// letter is not to blame for that of the marks.
net::awaitable<Result<void>> Replay::try_marks() {
    std::vector<Message> nothing;
    nothing.push_back(
        {.topic = options_.mark_topic,
         .key = tools_.lanes.outbox + '/' + kind_ + '/',
         .partition = 0}
    );
    const auto done = co_await producer_.commit(std::move(nothing));
    if (done) co_return done;
    if (!resilience::detail::is_fault_of_message(done.error())) co_return done;
    co_return fault_of_marks(done.error());
}

Failure Replay::fault_of_marks(Failure failure) const {
    failure.detail = "the mark topic " + options_.mark_topic + ": " + failure.detail;
    return failure;
}

net::awaitable<Result<void>> Replay::commit(
    const std::vector<DeadLetter>& letters, std::vector<Mark> marks
) {
    is_letter_refused_ = false;
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
            {.topic = options_.mark_topic,
             .key = std::move(key),
             .value = std::move(value),
             .partition = 0}
        );
    }
    const auto done = co_await producer_.commit(std::move(messages));
    if (done || !resilience::detail::is_fault_of_message(done.error())) co_return done;
    is_letter_refused_ = producer_.refused().value_or(0) < letters.size();
    if (is_letter_refused_) co_return done;
    co_return fault_of_marks(done.error());
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
    if (!*content) {
        is_letter_refused_ = true;
        co_return fail(Errc::not_found, "there is no row of it");
    }
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

}  // namespace resilience::modules::outbox_admin
