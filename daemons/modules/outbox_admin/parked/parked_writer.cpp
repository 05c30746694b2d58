// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked/parked_writer.hpp>

#include <resilience/clock.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

// Of one transaction; the next unparking takes others.
constexpr std::size_t most_forgotten = 500;
// For all positions that tell which parkings are over, and for one of them.
constexpr std::chrono::milliseconds longest_look{5000};
constexpr std::chrono::milliseconds longest_read{2000};

}  // namespace

ParkedWriter::ParkedWriter(const Tools& tools, const Parking& parking)
    : tools_(tools),
      parking_(parking),
      mark_(unpark_mark_key(tools.lanes.outbox, parking_)),
      positions_(tools.executor, tools.kafka, tools.lanes),
      replay_(tools, "unparked") {}

net::awaitable<Result<void>> ParkedWriter::open() {
    const auto opened = co_await replay_.ready();
    if (!opened) co_return opened.error();
    is_own_ = true;
    co_return Result<void>{};
}

Result<std::optional<Unparked>> ParkedWriter::mark() const {
    const auto found = replay_.marks().find(mark_);
    if (found == replay_.marks().end()) return std::optional<Unparked>{};
    auto done = decode_unparked(found->second);
    if (!done) return fail(Errc::corrupt_data, "the mark " + mark_ + " cannot be read");
    return done;
}

net::awaitable<Result<void>> ParkedWriter::begin(const Unparked& done) {
    const auto noted = mark();
    if (noted && noted->value_or(Unparked{}) == done) {
        done_ = done;
        co_return Result<void>{};
    }
    const std::vector<DeadLetter> none;
    auto written = co_await commit(none, done);
    co_return written;
}

net::awaitable<Result<std::optional<ParkedKey>>> ParkedWriter::parking() {
    const auto position = co_await positions_.last(parking_.lane);
    if (!position) co_return position.error();
    if (!*position) co_return fail(Errc::corrupt_data, "the lane's position is gone");
    const auto& parked = (*position)->parked;
    const auto same = std::ranges::find_if(parked, [&](const ParkedKey& one) {
        return is_same(one, parking_.parked);
    });
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
        const auto& last = some.back();
        const Unparked next{done_.written + count, last.event, last.place()};
        const auto done = co_await commit(some, next);
        if (done) {
            sent_ += count;
            first += static_cast<std::ptrdiff_t>(count);
            continue;
        }
        const bool is_refused = replay_.is_letter_refused();
        if (count == 1 && is_refused) {
            refused_ = RefusedEvent{next.written, next.event, done.error()};
            break;
        }
        const auto fewer = fewer_letters(done.error(), is_refused, count);
        if (!fewer) co_return done;
        most = *fewer;
    }
    co_return Result<void>{};
}

net::awaitable<Forgotten> ParkedWriter::forget() {
    Forgotten done;
    std::vector<Mark> own;
    own.push_back({mark_, std::nullopt});
    const auto opened = co_await replay_.ready();
    if (!opened) {
        done.left = opened.error();
        co_return done;
    }
    auto forgotten = co_await take_back(std::move(own));
    if (forgotten) forgotten = co_await forget_others(done.others);
    if (!forgotten) done.left = forgotten.error();
    co_return done;
}

net::awaitable<Result<void>> ParkedWriter::take_back(std::vector<Mark> marks) {
    const std::vector<DeadLetter> none;
    auto done = co_await replay_.commit(none, std::move(marks));
    co_return done;
}

// Positions are read after the marks, and nobody else has written marks since: the
// identity is not taken again for it.
net::awaitable<Result<void>> ParkedWriter::forget_others(std::size_t& forgotten) {
    const auto& outbox = tools_.lanes.outbox;
    std::set<int> wanted;
    for (const auto& [key, value] : replay_.marks()) {
        const auto of = marked_parking(outbox, key);
        if (of && key != mark_) wanted.insert(of->lane);
    }
    auto options = tools_.lanes;
    options.take_over_timeout = longest_read;
    resilience::kafka::LanePositions positions{tools_.executor, tools_.kafka, options};
    const auto ends = Clock::now() + longest_look;
    std::map<int, std::vector<ParkedKey>> lanes;
    Result<void> looked;
    for (const int lane : wanted) {
        if (Clock::now() >= ends) {
            looked = fail(Errc::timed_out, "the positions of other lanes");
            break;
        }
        auto position = co_await positions.last(lane);
        if (!position) {
            looked = position.error();
        } else if (*position) {
            lanes.emplace(lane, std::move((*position)->parked));
        }
    }
    auto marks = marks_of_ended(replay_.marks(), outbox, lanes, most_forgotten);
    std::erase_if(marks, [&](const Mark& one) { return one.key == mark_; });
    if (marks.empty()) co_return looked;
    if (!replay_.is_ready()) {
        co_return fail(Errc::aborted, "the producer of the marks must be opened again");
    }
    const auto count = marks.size();
    const auto done = co_await take_back(std::move(marks));
    if (!done) co_return done;
    forgotten = count;
    co_return looked;
}

// Whoever had the identity meanwhile may have written what comes next, and even have had
// the parking ended, with which the mark goes.
net::awaitable<Result<void>> ParkedWriter::ready() {
    const auto anew = co_await replay_.ready();
    if (!anew) co_return anew.error();
    if (*anew) is_own_ = false;
    if (is_own_) co_return Result<void>{};
    const auto noted = mark();
    if (noted && noted->value_or(Unparked{}) == done_) {
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

std::vector<Mark> marks_of_ended(
    const Marks& marks,
    const std::string& outbox,
    const std::map<int, std::vector<ParkedKey>>& lanes,
    std::size_t most
) {
    std::vector<Mark> ended;
    for (const auto& [key, value] : marks) {
        if (ended.size() == most) break;
        const auto of = marked_parking(outbox, key);
        const auto lane = of ? lanes.find(of->lane) : lanes.end();
        if (lane == lanes.end()) continue;
        const bool is_parked = std::ranges::any_of(
            lane->second, [&](const ParkedKey& one) { return is_same(one, of->parked); }
        );
        if (!is_parked) ended.push_back({key, std::nullopt});
    }
    return ended;
}

std::optional<std::size_t> fewer_letters(
    const Failure& failure, bool is_refused, std::size_t letters
) {
    if (letters <= 1) return std::nullopt;
    if (is_refused) return 1;
    // Nothing of it was sent.
    if (failure == Errc::timed_out || failure == Errc::queue_full) return letters / 2;
    return std::nullopt;
}

}  // namespace resilience::modules::outbox_admin
