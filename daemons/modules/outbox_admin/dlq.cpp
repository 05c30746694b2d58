// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/dlq.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/dead_letters.hpp>
#include <modules/outbox_admin/replay.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;

json::object json_of(const DeadLetter& letter) {
    return {
        {"event", letter.event},
        {"topic", letter.topic},
        {"reason", letter.reason},
        {"place", letter.place()}};
}

}  // namespace

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
    const auto take = [&](const DeadLetter& letter) {
        ++count;
        const bool is_sent = is_replayed(*marks, tools.lanes.outbox, letter);
        replayed += is_sent;
        if (count > tools.request.limit) return true;
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
    const auto marks = co_await read_marks(tools, "replayed");
    if (!marks) co_return marks.error();
    std::vector<DeadLetter> due;
    std::int64_t before = 0;
    bool is_full = false;
    const auto take = [&](DeadLetter letter) {
        if (!request.all && letter.event != request.id) return true;
        if (is_replayed(*marks, tools.lanes.outbox, letter)) {
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
        std::vector<Mark> marked;
        marked.push_back(mark_of(tools.lanes.outbox, letter));
        std::vector<DeadLetter> one;
        one.push_back(std::move(letter));
        const auto done = co_await replay.commit(one, std::move(marked));
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
