// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/dlq.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/dead_letters.hpp>
#include <modules/outbox_admin/replay.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <algorithm>
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

// Sends dead letters that were not sent before, one in each transaction: one that is
// refused keeps no other back.
class Replaying {
public:
    explicit Replaying(const Tools& tools) : tools_(tools), replay_(tools) {}

    // From here on no other replay adds a mark.
    net::awaitable<Result<void>> open() {
        const auto opened = co_await replay_.open();
        if (!opened) co_return opened;
        auto marks = co_await read_marks(tools_, "replayed");
        if (!marks) co_return marks.error();
        marks_ = std::move(*marks);
        co_return Result<void>{};
    }

    net::awaitable<Result<void>> send(DeadLetter letter) {
        if (is_replayed(marks_, tools_.lanes.outbox, letter)) {
            ++before_;
            co_return Result<void>{};
        }
        std::vector<Mark> marked;
        marked.push_back(mark_of(tools_.lanes.outbox, letter));
        std::vector<DeadLetter> one;
        one.push_back(std::move(letter));
        const auto done = co_await replay_.commit(one, std::move(marked));
        if (done) {
            ++sent_;
        } else if (blames_letter(done.error())) {
            refuse(one.front(), done.error());
        } else {
            co_return done;
        }
        co_return Result<void>{};
    }

    // Takes marks of letters back that are in their topics no longer.
    net::awaitable<Result<std::size_t>> forget(
        const std::vector<resilience::kafka::PartitionProgress>& partitions
    ) {
        constexpr std::size_t at_once = 500;
        const auto marks = marks_of_removed(marks_, tools_.lanes.outbox, partitions);
        const std::vector<DeadLetter> none;
        for (std::size_t at = 0; at < marks.size(); at += at_once) {
            const auto end = std::min(at + at_once, marks.size());
            std::vector<Mark> some(
                marks.begin() + static_cast<std::ptrdiff_t>(at),
                marks.begin() + static_cast<std::ptrdiff_t>(end)
            );
            const auto done = co_await replay_.commit(none, std::move(some));
            if (!done) co_return done.error();
        }
        co_return marks.size();
    }

    // Letters that were asked for.
    std::int64_t seen() const { return sent_ + before_ + refused_; }

    Report report(std::size_t forgotten) const {
        Report made;
        made.text = text_;
        made.text += fmt::format(
            "{} dead letters replayed, {} refused, {} were replayed before\n",
            sent_,
            refused_,
            before_
        );
        if (refused_ > 0) made.code = something_wrong;
        made.json = {
            {"replayed", sent_},
            {"before", before_},
            {"refused_count", refused_},
            {"refused", examples_},
            {"forgotten", forgotten}};
        return made;
    }

private:
    void refuse(const DeadLetter& letter, const Failure& why) {
        constexpr std::int64_t most_told = 1000;
        if (++refused_ > most_told) return;
        auto shown = json_of(letter);
        shown["error"] = why.message();
        examples_.push_back(std::move(shown));
        text_ += "event " + letter.event + " for topic " + letter.topic + ": " +
                 why.message() + '\n';
    }

    const Tools& tools_;
    Replay replay_;
    Marks marks_;
    std::int64_t sent_ = 0;
    std::int64_t before_ = 0;
    std::int64_t refused_ = 0;
    json::array examples_;
    std::string text_;
};

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
