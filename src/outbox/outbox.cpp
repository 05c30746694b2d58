// SPDX-License-Identifier: MIT
#include <resilience/outbox.hpp>

#include <resilience/detail/utf8.hpp>

#include "jsonb_text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <random>
#include <stdexcept>
#include <string_view>

namespace resilience {
namespace {

namespace json = boost::json;

constexpr std::size_t name_bytes = 255;
// What a message spends on a header besides its name and value, at most.
constexpr std::size_t header_overhead = 16;

// Accepts what a jsonb column accepts: JSON whose strings hold no NUL, not even an
// escaped one.
struct JsonbRules {
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    using error_code = json::error_code;
    using string_view = json::string_view;

    static bool text(string_view part, error_code& ec) {
        if (part.find('\0') == string_view::npos) return true;
        ec = json::error::syntax;
        return false;
    }

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) { return true; }
    bool on_object_end(std::size_t, error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_key_part(string_view s, std::size_t, error_code& ec) { return text(s, ec); }
    bool on_key(string_view s, std::size_t, error_code& ec) { return text(s, ec); }
    bool on_string_part(string_view s, std::size_t, error_code& ec) {
        return text(s, ec);
    }
    bool on_string(string_view s, std::size_t, error_code& ec) { return text(s, ec); }
    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, string_view, error_code&) { return true; }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
    bool on_double(double, string_view, error_code&) { return true; }
    bool on_bool(bool, error_code&) { return true; }
    bool on_null(error_code&) { return true; }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }
};

bool is_json(std::string_view text) {
    json::basic_parser<JsonbRules> parser{json::parse_options{}};
    json::error_code ec;
    const auto used = parser.write_some(false, text.data(), text.size(), ec);
    return !ec && used == text.size() && parser.done();
}

std::optional<Failure> check_name(
    std::string_view field, std::string_view value, bool required
) {
    const std::string name{field};
    if (required && value.empty())
        return fail(Errc::invalid_request, name + ": is empty");
    if (value.size() > name_bytes) {
        return fail(Errc::invalid_request, name + ": is longer than 255 bytes");
    }
    if (!detail::is_storable_text(value)) {
        return fail(Errc::invalid_request, name + ": is not valid UTF-8 without NUL");
    }
    return std::nullopt;
}

std::size_t content_limit(const std::string& topic, const OutboxOptions& options) {
    const auto own = options.topic_max_event_bytes.find(topic);
    return own == options.topic_max_event_bytes.end() ? options.max_event_bytes
                                                      : own->second;
}

// Measures the content as written; none is parsed that is too long.
std::optional<Failure> check_content(const Event& event, const OutboxOptions& options) {
    const auto limit = content_limit(event.topic, options);
    const auto limit_text =
        std::to_string(limit) + " bytes, the limit of topic " + event.topic;
    if (event.event_data.size() > limit) {
        return fail(Errc::too_large, "event_data: is longer than " + limit_text);
    }
    if (!is_json(event.event_data)) {
        return fail(Errc::invalid_request, "event_data: is not JSON without NUL");
    }
    if (detail::jsonb_text_bound(event.event_data) > limit) {
        return fail(
            Errc::too_large,
            "event_data: would come back from a jsonb column as more than " + limit_text
        );
    }
    return std::nullopt;
}

std::optional<Failure> check_topic(
    const std::string& topic, const OutboxOptions& options
) {
    if (!is_topic_name(topic)) {
        return fail(Errc::invalid_request, "topic: is not 1 to 249 of A-Z a-z 0-9 . _ -");
    }
    if (!options.topics.empty() && !options.topics.contains(topic)) {
        return fail(
            Errc::bad_destination, "topic: " + topic + " is none that events may go to"
        );
    }
    return std::nullopt;
}

std::optional<Failure> check_event(const Event& event, const OutboxOptions& options) {
    const std::pair<std::string_view, std::string_view> names[] = {
        {"aggregate_type", event.aggregate_type},
        {"aggregate_id", event.aggregate_id},
        {"event_type", event.event_type},
    };
    for (const auto& [field, value] : names) {
        if (auto failure = check_name(field, value, true)) return failure;
    }
    if (auto failure = check_topic(event.topic, options)) return failure;
    if (auto failure = check_name("partition_key", *event.partition_key, false))
        return failure;
    std::size_t header_bytes = 0;
    for (const auto& [name, value] : event.headers) {
        if (auto failure = check_name("headers", name, true)) return failure;
        header_bytes += name.size() + value.size() + header_overhead;
        if (!detail::is_storable_text(value)) {
            return fail(
                Errc::invalid_request,
                "headers: " + name + " is not valid UTF-8 without NUL"
            );
        }
    }
    if (header_bytes > options.max_header_bytes) {
        return fail(
            Errc::too_large,
            "headers: are longer than " + std::to_string(options.max_header_bytes) +
                " bytes"
        );
    }
    if (!Uuid::parse(event.id)) return fail(Errc::invalid_request, "id: is not a UUID");
    if (*event.max_retries < 0)
        return fail(Errc::invalid_request, "max_retries: is negative");
    return check_content(event, options);
}

// FNV-1a, 64 bits (Fowler, Noll, Vo). Stored rows depend on it: it must never change.
std::uint64_t lane_hash(std::string_view key) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : key) {
        hash ^= static_cast<std::uint8_t>(c);
        hash *= 0x100000001b3ULL;
    }
    return hash;
}

Uuid new_event_id(WallClock::time_point now) {
    std::random_device device;
    const auto word = [&device] {
        return (static_cast<std::uint64_t>(device()) << 32) | device();
    };
    return Uuid::v7(now, {word(), word()});
}

void check_topics(const OutboxOptions& options) {
    for (const auto& topic : options.topics) {
        if (is_topic_name(topic)) continue;
        throw std::invalid_argument("topics: " + topic + " is not a topic's name");
    }
    const auto is_known = [&](const std::string& topic) {
        return options.topics.empty() || options.topics.contains(topic);
    };
    if (!is_known(options.topic)) {
        throw std::invalid_argument("topic: " + options.topic + " is none of topics");
    }
    for (const auto& [topic, bytes] : options.topic_max_event_bytes) {
        const auto option = "topic_max_event_bytes: " + topic;
        if (!is_topic_name(topic)) {
            throw std::invalid_argument(option + " is not a topic's name");
        }
        if (!is_known(topic)) throw std::invalid_argument(option + " is none of topics");
        if (bytes == 0) throw std::invalid_argument(option + " must be positive");
    }
}

}  // namespace

Outbox::Outbox(OutboxOptions options) : options_(std::move(options)) {
    if (!is_topic_name(options_.topic)) {
        throw std::invalid_argument("topic: must be 1 to 249 of A-Z a-z 0-9 . _ -");
    }
    if (options_.max_retries < 0) {
        throw std::invalid_argument("max_retries: must not be negative");
    }
    if (options_.max_event_bytes == 0) {
        throw std::invalid_argument("max_event_bytes: must be positive");
    }
    if (options_.lanes < 1 || options_.lanes > 64) {
        throw std::invalid_argument("lanes: must be 1 to 64");
    }
    check_topics(options_);
}

Result<OutboxRow> Outbox::prepare(Event event) const {
    if (!event.created_at) event.created_at = WallClock::now();
    if (event.id.empty()) event.id = new_event_id(*event.created_at).to_string();
    if (event.topic.empty()) event.topic = options_.topic;
    if (!event.partition_key) event.partition_key = event.aggregate_id;
    if (!event.max_retries) event.max_retries = options_.max_retries;
    if (auto failure = check_event(event, options_)) return std::move(*failure);

    json::object headers;
    for (const auto& [name, value] : event.headers) headers[name] = value;
    OutboxRow row;
    row.lane = static_cast<std::int16_t>(
        lane_hash(*event.partition_key) % static_cast<std::uint64_t>(options_.lanes)
    );
    row.headers_json = json::serialize(headers);
    row.event = std::move(event);
    return row;
}

}  // namespace resilience
