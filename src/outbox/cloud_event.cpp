// SPDX-License-Identifier: MIT
#include <resilience/cloud_event.hpp>

#include <resilience/detail/cloud_event_fields.hpp>
#include <resilience/detail/rfc3339.hpp>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string_view.hpp>

#include <algorithm>
#include <cctype>

namespace resilience {
namespace {

namespace json = boost::json;

constexpr std::string_view content_type = "application/json";

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

bool is_reserved(std::string_view header) {
    constexpr std::string_view reserved[] = {
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "content-type"};
    return std::ranges::any_of(reserved, [header](std::string_view name) {
        return same_name(name, header);
    });
}

bool is_trace_context(std::string_view name) {
    return name == "traceparent" || name == "tracestate";
}

// Line breaks between the tokens of a JSON text mean nothing, and inside of strings they
// are escaped: each that is there can be a space.
void append_on_one_line(std::string& line, std::string_view data) {
    const auto start = static_cast<std::ptrdiff_t>(line.size());
    line += data;
    const auto breaks = [](char c) { return c == '\n' || c == '\r'; };
    std::replace_if(line.begin() + start, line.end(), breaks, ' ');
}

}  // namespace

void detail::append_cloud_event_fields(
    const Event& event,
    std::string_view source,
    std::string_view time,
    std::vector<HeaderView>& fields
) {
    fields.emplace_back("ce_specversion", "1.0");
    fields.emplace_back("ce_id", event.id);
    fields.emplace_back("ce_source", source);
    fields.emplace_back("ce_type", event.event_type);
    fields.emplace_back("ce_subject", event.aggregate_id);
    if (!time.empty()) fields.emplace_back("ce_time", time);
    fields.emplace_back("content-type", content_type);
    for (const auto& [name, value] : event.headers) {
        if (!is_reserved(name)) fields.emplace_back(name, value);
    }
}

std::vector<Header> cloud_event_headers(const Event& event, std::string_view source) {
    std::string time;
    if (event.created_at) detail::write_rfc3339(*event.created_at, time);
    std::vector<detail::HeaderView> fields;
    detail::append_cloud_event_fields(event, source, time, fields);
    return {fields.begin(), fields.end()};
}

std::string cloud_event_json(const Event& event, std::string_view source) {
    json::object attributes;
    attributes["specversion"] = "1.0";
    attributes["id"] = event.id;
    attributes["source"] = json::string_view{source.data(), source.size()};
    attributes["type"] = event.event_type;
    attributes["subject"] = event.aggregate_id;
    if (event.created_at) attributes["time"] = detail::format_rfc3339(*event.created_at);
    attributes["datacontenttype"] =
        json::string_view{content_type.data(), content_type.size()};
    attributes["topic"] = event.topic;
    const auto key = ordering_key(event);
    attributes["partitionkey"] = json::string_view{key.data(), key.size()};
    json::object others;
    for (const auto& [name, value] : event.headers) {
        if (is_reserved(name)) continue;
        (is_trace_context(name) ? attributes : others)[name] = value;
    }
    if (!others.empty()) attributes["headers"] = std::move(others);

    std::string line = json::serialize(attributes);
    line.pop_back();
    line += ",\"data\":";
    append_on_one_line(line, event.event_data);
    line += '}';
    return line;
}

}  // namespace resilience
