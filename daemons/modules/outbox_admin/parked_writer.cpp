// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked_writer.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

// Of one transaction; the next unparking takes others.
constexpr std::size_t most_forgotten = 500;

}  // namespace

ParkedWriter::ParkedWriter(const Tools& tools, const Parking& parking)
    : parking_(parking),
      outbox_(tools.lanes.outbox),
      mark_(unpark_mark_key(tools.lanes.outbox, parking_)),
      positions_(tools.executor, tools.kafka, tools.lanes),
      replay_(tools, "unparked") {}

net::awaitable<Result<void>> ParkedWriter::open(std::uint64_t by_hand) {
    const auto opened = co_await replay_.ready();
    if (!opened) co_return opened.error();
    const auto& marks = replay_.marks();
    if (const auto mark = marks.find(mark_); mark != marks.end()) {
        const auto done = decode_unparked(mark->second);
        if (!done) co_return fail(Errc::corrupt_data, "the mark " + mark_);
        done_ = *done;
    }
    is_own_ = true;
    if (by_hand <= done_.written) co_return Result<void>{};
    const std::vector<DeadLetter> none;
    const Unparked next{by_hand, {}};
    auto noted = co_await commit(none, next);
    co_return noted;
}

net::awaitable<Result<std::optional<ParkedKey>>> ParkedWriter::parking() {
    const auto position = co_await positions_.last(parking_.lane);
    if (!position) co_return position.error();
    if (!*position) co_return fail(Errc::corrupt_data, "the lane's position is gone");
    const auto& parked = (*position)->parked;
    const auto same = std::ranges::find(parked, parking_.parked.since, &ParkedKey::since);
    std::optional<ParkedKey> found;
    if (same != parked.end()) found = *same;
    co_return found;
}

net::awaitable<Result<void>> ParkedWriter::send(const std::vector<DeadLetter>& letters) {
    std::size_t most = letters.size();
    auto first = letters.begin();
    while (first != letters.end()) {
        const auto left = static_cast<std::size_t>(letters.end() - first);
        const auto count = std::min(most, left);
        const std::vector<DeadLetter> some(
            first, first + static_cast<std::ptrdiff_t>(count)
        );
        const auto own = co_await ready();
        if (!own) co_return own;
        const Unparked next{done_.written + count, some.back().event};
        const auto done = co_await commit(some, next);
        if (done) {
            sent_ += count;
            first += static_cast<std::ptrdiff_t>(count);
            continue;
        }
        if (count == 1 && blames_letter(done.error())) {
            refused_ = RefusedEvent{next.written, next.event, done.error()};
            break;
        }
        const auto fewer = fewer_letters(done.error(), count);
        if (!fewer) co_return done;
        most = *fewer;
    }
    co_return Result<void>{};
}

net::awaitable<Result<void>> ParkedWriter::forget() {
    const auto opened = co_await replay_.ready();
    if (!opened) co_return opened.error();
    auto over = co_await marks_of_ended();
    over.push_back({mark_, std::nullopt});
    const std::vector<DeadLetter> none;
    auto done = co_await replay_.commit(none, std::move(over));
    co_return done;
}

// Marks of other parkings that are over: their lanes have positions without them, read
// after the marks, and nobody else has written marks since.
net::awaitable<std::vector<Mark>> ParkedWriter::marks_of_ended() {
    std::vector<Mark> ended;
    std::map<int, std::optional<LanePosition>> lanes;
    for (const auto& [key, value] : replay_.marks()) {
        const auto of = marked_parking(outbox_, key);
        if (!of || key == mark_) continue;
        if (!lanes.contains(of->lane)) {
            auto position = co_await positions_.last(of->lane);
            // Of a lane that cannot be read nothing is known.
            lanes[of->lane] = position ? std::move(*position) : std::nullopt;
        }
        const auto& position = lanes[of->lane];
        if (!position) continue;
        const auto& parked = position->parked;
        if (std::ranges::count(parked, of->since, &ParkedKey::since) > 0) continue;
        ended.push_back({key, std::nullopt});
        if (ended.size() == most_forgotten) break;
    }
    co_return ended;
}

// Whoever had the identity meanwhile may have written what comes next, and even have had
// the parking ended, with which the mark goes.
net::awaitable<Result<void>> ParkedWriter::ready() {
    const auto anew = co_await replay_.ready();
    if (!anew) co_return anew.error();
    if (*anew) is_own_ = false;
    if (is_own_) co_return Result<void>{};
    const auto& marks = replay_.marks();
    const auto mark = marks.find(mark_);
    std::optional<Unparked> noted{Unparked{}};
    if (mark != marks.end()) noted = decode_unparked(mark->second);
    if (noted == done_) {
        const auto parked = co_await parking();
        if (!parked) co_return parked.error();
        is_own_ = parked->has_value();
    }
    if (is_own_) co_return Result<void>{};
    co_return fail(Errc::fenced, "somebody else unparks it, too, says the mark " + mark_);
}

net::awaitable<Result<void>> ParkedWriter::commit(
    const std::vector<DeadLetter>& letters, const Unparked& next
) {
    std::vector<Mark> marks;
    marks.push_back({mark_, encode(next)});
    auto done = co_await replay_.commit(letters, std::move(marks));
    if (done) done_ = next;
    co_return done;
}

std::optional<std::size_t> fewer_letters(const Failure& failure, std::size_t letters) {
    if (letters <= 1) return std::nullopt;
    if (blames_letter(failure)) return 1;
    // Nothing of it was sent.
    if (failure == Errc::timed_out || failure == Errc::queue_full) return letters / 2;
    return std::nullopt;
}

}  // namespace resilience::modules::outbox_admin
