// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked/parked_letters.hpp>

#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/dead_letter.hpp>

#include <charconv>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using resilience::kafka::Record;

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || end != last) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> number_in(const Record& record, std::string_view name) {
    const auto text = header_of(record, name);
    return text ? number_in(*text) : std::nullopt;
}

// Takes what is before the first of these characters, and the character; none: there is
// no such one.
std::optional<std::string_view> take_before(std::string_view& text, char end) {
    const auto at = text.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    const auto part = text.substr(0, at);
    text.remove_prefix(at + 1);
    return part;
}

std::string name_of(std::uint64_t number, const Parking& parking) {
    return "number " + std::to_string(number) + " of the parking since " +
           std::to_string(parking.parked.since) + " of lane " +
           std::to_string(parking.lane);
}

std::string mark_prefix(const std::string& outbox) { return outbox + "/unparked/"; }

}  // namespace

bool is_same(const ParkedKey& one, const ParkedKey& other) {
    return one.topic == other.topic && one.key == other.key && one.since == other.since;
}

// The key comes last, as any character may be in it; none of the others has a slash.
std::string unpark_mark_key(const std::string& outbox, const Parking& parking) {
    const auto& parked = parking.parked;
    return mark_prefix(outbox) + std::to_string(parking.lane) + '/' +
           std::to_string(parked.since) + '/' + parked.topic + '/' + parked.key;
}

std::optional<Parking> marked_parking(const std::string& outbox, std::string_view key) {
    const auto prefix = mark_prefix(outbox);
    if (!key.starts_with(prefix)) return std::nullopt;
    key.remove_prefix(prefix.size());
    const auto lane = number_in(take_before(key, '/').value_or(""));
    const auto since = number_in(take_before(key, '/').value_or(""));
    const auto topic = take_before(key, '/');
    if (!lane || *lane > 63 || !since || !topic) return std::nullopt;
    return Parking{
        static_cast<int>(*lane),
        {.topic = std::string{*topic}, .key = std::string{key}, .since = *since}};
}

std::string encode(const Unparked& done) {
    return std::to_string(done.written) + ' ' + done.place + ' ' + done.event;
}

std::optional<Unparked> decode_unparked(std::string_view text) {
    const auto written = number_in(take_before(text, ' ').value_or(""));
    const auto place = take_before(text, ' ');
    if (!written || !place) return std::nullopt;
    return Unparked{*written, std::string{text}, std::string{*place}};
}

std::optional<ParkedLetter> parked_letter_of(const Parking& parking, Record record) {
    const auto since = number_in(record, parked_since_header);
    const auto lane = number_in(record, "lane");
    const auto number = number_in(record, parked_number_header);
    const bool is_ours = since == parking.parked.since &&
                         lane == static_cast<std::uint64_t>(parking.lane) &&
                         record.key == parking.parked.key && number && *number > 0;
    if (!is_ours) return std::nullopt;
    auto letter = dead_letter_of(std::move(record));
    if (!letter || letter->topic != parking.parked.topic) return std::nullopt;
    return ParkedLetter{*number, std::move(*letter)};
}

ParkedWitness::ParkedWitness(Parking parking, std::uint64_t number)
    : parking_(std::move(parking)), number_(number) {}

void ParkedWitness::add(Record record) {
    const auto one = parked_letter_of(parking_, std::move(record));
    if (!one || one->number != number_) return;
    found_.push_back({number_, one->letter.event, one->letter.place()});
}

Result<Unparked> ParkedWitness::found() const {
    const auto name = name_of(number_, parking_);
    if (found_.empty()) {
        return fail(Errc::not_found, name + " is not among the parked events");
    }
    if (found_.size() == 1) return found_.front();
    return fail(
        Errc::corrupt_data,
        name + " is there twice: " + found_[0].place + " and " + found_[1].place
    );
}

Result<Unparked> believed(const Unparked& mark, const Result<Unparked>& there) {
    if (!there) return there;
    if (mark == *there) return mark;
    return fail(
        Errc::corrupt_data,
        "event " + mark.event + " at " + mark.place + " was written as number " +
            std::to_string(mark.written) + ", which is event " + there->event + " at " +
            there->place
    );
}

ParkedLetters::ParkedLetters(
    Parking parking, std::uint64_t written, std::size_t most_bytes
)
    : parking_(std::move(parking)),
      written_(written),
      most_bytes_(most_bytes),
      next_(written_ + 1) {}

Result<void> ParkedLetters::add(Record record) {
    auto one = parked_letter_of(parking_, std::move(record));
    if (!one || one->number <= written_) return {};
    const auto number = one->number;
    const auto place = one->letter.place();
    const auto size = size_of(one->letter.record);
    const bool is_new =
        number >= next_ && waiting_.try_emplace(number, std::move(one->letter)).second;
    if (!is_new) {
        return fail(
            Errc::corrupt_data, name_of(number, parking_) + " is there twice: " + place
        );
    }
    bytes_ += size;
    if (number == next_ || bytes_ <= most_bytes_) return {};
    return fail(
        Errc::too_large,
        name_of(next_, parking_) + " is behind more than " + std::to_string(most_bytes_) +
            " bytes of later ones"
    );
}

std::vector<DeadLetter> ParkedLetters::take(std::size_t most, std::size_t bytes) {
    std::vector<DeadLetter> taken;
    std::size_t sum = 0;
    while (taken.size() < most && sum < bytes) {
        const auto first = waiting_.find(next_);
        if (first == waiting_.end()) break;
        // How much the row has of it is not known here.
        const bool goes_alone = first->second.is_left_out;
        if (goes_alone && !taken.empty()) break;
        const auto size = size_of(first->second.record);
        sum += size;
        bytes_ -= size;
        taken.push_back(std::move(first->second));
        waiting_.erase(first);
        ++next_;
        if (goes_alone) break;
    }
    return taken;
}

}  // namespace resilience::modules::outbox_admin
