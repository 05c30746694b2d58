// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/dlq.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/dead_letters.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/lane_positions.hpp>
#include <resilience/kafka/transactional_producer.hpp>
#include <resilience/uuid.hpp>

#include <fmt/format.h>

#include <boost/asio/use_awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;
using resilience::kafka::Message;
using resilience::kafka::TransactionalProducer;

json::object json_of(const DeadLetter& letter) {
    return {
        {"event", letter.event},
        {"topic", letter.topic},
        {"reason", letter.reason},
        {"place", letter.place()}};
}

// Sends dead letters, one in each transaction: one that is refused keeps no other back.
class Replay {
public:
    explicit Replay(const Tools& tools)
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

    net::awaitable<Result<void>> open() {
        auto opened = co_await producer_.open();
        co_return opened;
    }

    net::awaitable<Result<void>> send(DeadLetter letter) {
        auto message = replay_of(letter);
        if (letter.is_left_out) {
            auto filled = co_await fill(letter, message);
            if (!filled) co_return filled;
        }
        if (!producer_.is_open()) {
            auto opened = co_await producer_.open();
            if (!opened) co_return opened;
        }
        std::vector<Message> both;
        both.push_back(std::move(message));
        both.push_back(
            {.topic = positions_,
             .key = mark_of(tools_.lanes.outbox, letter),
             .value = letter.event,
             .partition = 0}
        );
        auto done = co_await producer_.commit(std::move(both));
        co_return done;
    }

private:
    // The content that the dead letter had no room for.
    net::awaitable<Result<void>> fill(const DeadLetter& letter, Message& message) {
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

    const Tools& tools_;
    std::string positions_;
    TransactionalProducer producer_;
    std::optional<resilience::postgres::Connection> connection_;
};

// The letter alone is at fault, and the next one may do.
bool blames_letter(const Failure& failure) {
    return failure == Errc::too_large || failure == Errc::invalid_request ||
           failure == Errc::bad_destination || failure == Errc::access_denied ||
           failure == Errc::not_found;
}

}  // namespace

void declare_dlq_list(host::Config& config, Request& request) {
    declare_topics(config, request);
    config.integer(
        "--limit", request.limit, 1, 1'000'000, "Dead letters that are listed at most"
    );
}

net::awaitable<Result<Report>> dlq_list(const Tools& tools) {
    const auto marks = co_await read_marks(tools);
    if (!marks) co_return marks.error();
    Report report;
    json::array letters;
    std::int64_t count = 0;
    std::int64_t replayed = 0;
    const auto take = [&](const DeadLetter& letter) {
        ++count;
        const bool is_replayed = marks->contains(mark_of(tools.lanes.outbox, letter));
        replayed += is_replayed;
        if (count > tools.request.limit) return true;
        auto shown = json_of(letter);
        shown["replayed"] = is_replayed;
        letters.push_back(std::move(shown));
        report.text += fmt::format(
            "{} event {} for topic {}, {}: {}\n",
            letter.place(),
            letter.event,
            letter.topic,
            is_replayed ? "replayed" : "waits",
            letter.reason
        );
        return true;
    };
    const auto read = co_await read_letters(tools, take);
    if (!read) co_return read.error();
    report.text += fmt::format("{} dead letters, {} replayed\n", count, replayed);
    report.json = {
        {"count", count}, {"replayed", replayed}, {"letters", std::move(letters)}};
    if (replayed < count) report.code = something_wrong;
    co_return report;
}

void declare_dlq_replay(host::Config& config, Request& request) {
    declare_topics(config, request);
    config.string("--id", request.id, "The event whose dead letter is sent");
    config.flag("--all", request.all, "Send every dead letter that was not sent yet");
}

net::awaitable<Result<Report>> dlq_replay(const Tools& tools) {
    const auto& request = tools.request;
    if (request.all == !request.id.empty()) {
        throw std::invalid_argument("--id: give the id of an event, or --all");
    }
    Replay replay{tools};
    // From here on no other replay adds a mark.
    const auto opened = co_await replay.open();
    if (!opened) co_return opened.error();
    const auto marks = co_await read_marks(tools);
    if (!marks) co_return marks.error();
    std::vector<DeadLetter> due;
    std::int64_t before = 0;
    bool is_full = false;
    const auto take = [&](DeadLetter letter) {
        if (!request.all && letter.event != request.id) return true;
        if (marks->contains(mark_of(tools.lanes.outbox, letter))) {
            ++before;
            return true;
        }
        // What fits into memory; the rest is for another run.
        constexpr std::size_t most = 10'000;
        is_full = due.size() >= most;
        if (!is_full) due.push_back(std::move(letter));
        return !is_full;
    };
    const auto read = co_await read_letters(tools, take);
    if (!read) co_return read.error();
    if (!request.all && due.empty() && before == 0) {
        co_return fail(Errc::not_found, "there is no dead letter of event " + request.id);
    }
    Report report;
    json::array refused;
    std::int64_t sent = 0;
    for (auto& letter : due) {
        auto shown = json_of(letter);
        const auto name = "event " + letter.event + " for topic " + letter.topic;
        const auto done = co_await replay.send(std::move(letter));
        if (done) {
            ++sent;
            continue;
        }
        if (!blames_letter(done.error())) co_return done.error();
        shown["error"] = done.error().message();
        refused.push_back(std::move(shown));
        report.text += name + ": " + done.error().message() + '\n';
    }
    report.text += fmt::format(
        "{} dead letters replayed, {} refused, {} were replayed before\n",
        sent,
        refused.size(),
        before
    );
    if (is_full) report.text += "there are more: run it again\n";
    if (is_full || !refused.empty()) report.code = something_wrong;
    report.json = {
        {"replayed", sent},
        {"before", before},
        {"more", is_full},
        {"refused", std::move(refused)}};
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
