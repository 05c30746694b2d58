// SPDX-License-Identifier: MIT
#include <resilience/lane_position.hpp>

#include <boost/crc.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <concepts>
#include <utility>

namespace resilience {
namespace {

namespace json = boost::json;

// Without keys that are parked, and with some.
constexpr std::uint64_t plain_version = 1;
constexpr std::uint64_t parking_version = 2;

std::uint32_t checksum(std::string_view text) {
    boost::crc_32_type crc;
    crc.process_bytes(text.data(), text.size());
    return crc.checksum();
}

Failure corrupt(std::string what) {
    return fail(Errc::corrupt_data, "lane position: " + std::move(what));
}

// Takes members out of an object; the first that is missing or not of its kind stays in
// `defect`.
class Members {
public:
    explicit Members(const json::object& object) : object_(object) {}

    template <std::integral Number>
    void take(std::string_view name, Number& into) {
        const auto* const value = object_.if_contains(name);
        json::error_code error;
        const auto number = value ? value->to_number<Number>(error) : Number{};
        if (!value || error) return refuse(name, "is missing or not such a number");
        into = number;
    }

    void take(std::string_view name, std::string& into) {
        const auto* const value = object_.if_contains(name);
        const auto* const text = value ? value->if_string() : nullptr;
        if (!text) return refuse(name, "is missing or not a text");
        into.assign(text->data(), text->size());
    }

    void take(std::string_view name, std::vector<ParkedKey>& into) {
        const auto* const value = object_.if_contains(name);
        const auto* const list = value ? value->if_array() : nullptr;
        if (!list || list->empty()) return refuse(name, "is missing or not a list");
        for (const auto& element : *list) {
            const auto* const object = element.if_object();
            if (!object) return refuse(name, "holds what is no key");
            Members members{*object};
            ParkedKey key;
            members.take("topic", key.topic);
            members.take("key", key.key);
            members.take("since", key.since);
            members.take("events", key.events);
            if (!members.defect().empty()) return refuse(name, members.defect());
            into.push_back(std::move(key));
        }
    }

    const std::string& defect() const { return defect_; }

private:
    void refuse(std::string_view name, std::string_view why) {
        if (defect_.empty()) defect_ = std::string{name} + ": " + std::string{why};
    }

    const json::object& object_;
    std::string defect_;
};

}  // namespace

std::string encode(const LanePosition& position) {
    json::object content{
        {"v", position.parked.empty() ? plain_version : parking_version},
        {"system_id", position.source.system_id},
        {"timeline", position.source.timeline},
        {"database", position.source.database},
        {"table", position.source.table},
        {"seen", position.seen},
        {"window", position.window},
        {"last_seq", position.last_seq},
        {"batch_seq", position.batch_seq},
        {"lane_seq", position.lane_seq},
        {"map_version", position.map_version}};
    if (!position.parked.empty()) {
        json::array parked;
        for (const auto& [topic, key, since, events] : position.parked) {
            parked.push_back(json::object{
                {"topic", topic}, {"key", key}, {"since", since}, {"events", events}});
        }
        content.emplace("parked", std::move(parked));
    }
    auto text = json::serialize(content);
    text.pop_back();
    const auto crc = checksum(text);
    text += ",\"crc\":" + std::to_string(crc) + "}";
    return text;
}

Result<LanePosition> decode_lane_position(std::string_view text) {
    if (text.size() > longest_lane_position) return corrupt("it is too long");
    json::error_code error;
    json::parse_options options;
    options.max_depth = 3;
    const auto value = json::parse(text, error, {}, options);
    const auto* const object = error ? nullptr : value.if_object();
    if (!object) return corrupt("it is not a JSON object of few levels");

    Members members{*object};
    std::uint64_t written_as = 0;
    members.take("v", written_as);
    if (!members.defect().empty()) return corrupt(members.defect());
    if (written_as != plain_version && written_as != parking_version) {
        return corrupt(
            "its version " + std::to_string(written_as) + " is not known, only " +
            std::to_string(plain_version) + " and " + std::to_string(parking_version) +
            " are"
        );
    }
    LanePosition position;
    members.take("system_id", position.source.system_id);
    members.take("timeline", position.source.timeline);
    members.take("database", position.source.database);
    members.take("table", position.source.table);
    members.take("seen", position.seen);
    members.take("window", position.window);
    members.take("last_seq", position.last_seq);
    members.take("batch_seq", position.batch_seq);
    members.take("lane_seq", position.lane_seq);
    members.take("map_version", position.map_version);
    if (written_as == parking_version) members.take("parked", position.parked);
    if (!members.defect().empty()) return corrupt(members.defect());
    // One form alone is written, so one comparison finds a changed checksum, a changed
    // content, and everything that a parser would overlook.
    if (encode(position) != text) return corrupt("its checksum does not match");
    return position;
}

}  // namespace resilience
