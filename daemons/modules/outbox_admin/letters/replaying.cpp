// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/letters/replaying.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace resilience::modules::outbox_admin {

namespace json = boost::json;

json::object json_of(const DeadLetter& letter) {
    return {
        {"event", letter.event},
        {"topic", letter.topic},
        {"reason", letter.reason},
        {"place", letter.place()}};
}

Replaying::Replaying(const Tools& tools) : tools_(tools), replay_(tools, "replayed") {}

net::awaitable<Result<void>> Replaying::open() {
    const auto ready = co_await replay_.ready();
    if (!ready) co_return ready.error();
    co_return Result<void>{};
}

net::awaitable<Result<void>> Replaying::send(DeadLetter letter) {
    const auto ready = co_await replay_.ready();
    if (!ready) co_return ready.error();
    if (is_replayed(replay_.marks(), tools_.lanes.outbox, letter)) {
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
    } else if (replay_.is_letter_refused()) {
        refuse(one.front(), done.error());
    } else {
        co_return done;
    }
    co_return Result<void>{};
}

net::awaitable<Result<std::size_t>> Replaying::forget(
    const std::vector<resilience::kafka::PartitionProgress>& partitions
) {
    constexpr std::size_t at_once = 500;
    const auto marks = marks_of_removed(replay_.marks(), tools_.lanes.outbox, partitions);
    const std::vector<DeadLetter> none;
    for (std::size_t at = 0; at < marks.size(); at += at_once) {
        const auto end = std::min(at + at_once, marks.size());
        std::vector<Mark> some(
            marks.begin() + static_cast<std::ptrdiff_t>(at),
            marks.begin() + static_cast<std::ptrdiff_t>(end)
        );
        const auto ready = co_await replay_.ready();
        if (!ready) co_return ready.error();
        const auto done = co_await replay_.commit(none, std::move(some));
        if (!done) co_return done.error();
    }
    co_return marks.size();
}

Report Replaying::report(std::size_t forgotten) const {
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

void Replaying::refuse(const DeadLetter& letter, const Failure& why) {
    constexpr std::int64_t most_told = 1000;
    if (++refused_ > most_told) return;
    auto shown = json_of(letter);
    shown["error"] = why.message();
    examples_.push_back(std::move(shown));
    text_ += "event " + letter.event + " for topic " + letter.topic + ": " +
             why.message() + '\n';
}

}  // namespace resilience::modules::outbox_admin
