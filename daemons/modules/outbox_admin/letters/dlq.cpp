// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/dlq.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/letters/dead_letters.hpp>
#include <modules/outbox_admin/letters/marks.hpp>
#include <modules/outbox_admin/letters/replaying.hpp>
#include <modules/outbox_admin/outbox/topics.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {

namespace json = boost::json;

void declare_dlq_list(host::Config& config, Request& request) {
    declare_topics(config, request);
    config.integer(
        "--limit", request.limit, 1, 1'000'000, "Dead letters that are listed at most"
    );
}

net::awaitable<Result<Report>> dlq_list(const Tools& tools) {
    const auto marks = co_await read_marks(tools, "replayed");
    if (!marks) co_return marks.error();
    Report report;
    json::array letters;
    std::int64_t count = 0;
    std::int64_t replayed = 0;
    const auto show = [&](const DeadLetter& letter) {
        ++count;
        const bool is_sent = is_replayed(*marks, tools.lanes.outbox, letter);
        replayed += is_sent;
        if (count > tools.request.limit) return;
        auto shown = json_of(letter);
        shown["replayed"] = is_sent;
        letters.push_back(std::move(shown));
        report.text += fmt::format(
            "{} event {} for topic {}, {}: {}\n",
            letter.place(),
            letter.event,
            letter.topic,
            is_sent ? "replayed" : "waits",
            letter.reason
        );
    };
    DeadLetters all{tools};
    const auto opened = co_await all.open();
    if (!opened) co_return opened.error();
    while (true) {
        const auto some = co_await all.read();
        if (!some) co_return some.error();
        if (some->empty()) break;
        for (const auto& letter : *some) show(letter);
    }
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
    Replaying replaying{tools};
    const auto opened = co_await replaying.open();
    if (!opened) co_return opened.error();
    DeadLetters letters{tools};
    const auto found = co_await letters.open();
    if (!found) co_return found.error();
    while (true) {
        auto some = co_await letters.read();
        if (!some) co_return some.error();
        if (some->empty()) break;
        for (auto& letter : *some) {
            if (!request.all && letter.event != request.id) continue;
            const auto done = co_await replaying.send(std::move(letter));
            if (!done) co_return done.error();
        }
    }
    if (!request.all && replaying.seen() == 0) {
        co_return fail(Errc::not_found, "there is no dead letter of event " + request.id);
    }
    const auto forgotten = co_await replaying.forget(letters.partitions());
    if (!forgotten) co_return forgotten.error();
    co_return replaying.report(*forgotten);
}

}  // namespace resilience::modules::outbox_admin
