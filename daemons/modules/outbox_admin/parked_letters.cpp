// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked_letters.hpp>

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

std::string name_of(std::uint64_t number, const Parking& parking) {
    return "number " + std::to_string(number) + " of the parking since " +
           std::to_string(parking.parked.since) + " of lane " +
           std::to_string(parking.lane);
}

std::string mark_prefix(const std::string& outbox) { return outbox + "/unparked/"; }

}  // namespace

std::string unpark_mark_key(const std::string& outbox, const Parking& parking) {
    return mark_prefix(outbox) + std::to_string(parking.lane) + '/' +
           std::to_string(parking.parked.since);
}

std::optional<MarkedParking> marked_parking(
    const std::string& outbox, std::string_view key
) {
    const auto prefix = mark_prefix(outbox);
    if (!key.starts_with(prefix)) return std::nullopt;
    key.remove_prefix(prefix.size());
    const auto slash = key.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto lane = number_in(key.substr(0, slash));
    const auto since = number_in(key.substr(slash + 1));
    if (!lane || *lane > 63 || !since) return std::nullopt;
    return MarkedParking{static_cast<int>(*lane), *since};
}

std::string encode(const Unparked& done) {
    return std::to_string(done.written) + ' ' + done.event;
}

std::optional<Unparked> decode_unparked(std::string_view text) {
    const auto space = text.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto written = number_in(text.substr(0, space));
    if (!written) return std::nullopt;
    return Unparked{*written, std::string{text.substr(space + 1)}};
}

ParkedLetters::ParkedLetters(Parking parking, Unparked done, std::size_t most_bytes)
    : parking_(std::move(parking)),
      done_(std::move(done)),
      most_bytes_(most_bytes),
      next_(done_.written + 1) {}

Result<void> ParkedLetters::add(Record record) {
    const auto since = number_in(record, parked_since_header);
    const auto lane = number_in(record, "lane");
    const auto number = number_in(record, parked_number_header);
    const bool is_ours = since == parking_.parked.since &&
                         lane == static_cast<std::uint64_t>(parking_.lane) &&
                         record.key == parking_.parked.key && number && *number > 0;
    if (!is_ours) return {};
    auto letter = dead_letter_of(std::move(record));
    if (!letter || letter->topic != parking_.parked.topic) return {};
    if (*number == done_.written) {
        if (done_.event.empty() || done_.event == letter->event) return {};
        return fail(
            Errc::corrupt_data,
            name_of(*number, parking_) + " is event " + letter->event + ", and event " +
                done_.event + " was written as such"
        );
    }
    if (*number < done_.written) return {};
    const auto place = letter->place();
    const auto size = size_of(letter->record);
    const bool is_new =
        *number >= next_ && waiting_.try_emplace(*number, std::move(*letter)).second;
    if (!is_new) {
        return fail(
            Errc::corrupt_data, name_of(*number, parking_) + " is there twice: " + place
        );
    }
    bytes_ += size;
    if (*number == next_ || bytes_ <= most_bytes_) return {};
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
