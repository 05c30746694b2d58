// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/outbox/topics.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>

#include <resilience/dead_letter.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> names;
    while (true) {
        const auto end = std::min(list.find(','), list.size());
        names.emplace_back(list.substr(0, end));
        if (end == list.size()) return names;
        list.remove_prefix(end + 1);
    }
}

}  // namespace

void declare_topics(host::Config& config, Request& request) {
    config.string(
        "--topics",
        request.topics,
        "Topics, separated by commas; default: those that the table names"
    );
    config.duration(
        "--since",
        request.since,
        std::chrono::seconds{1},
        std::chrono::milliseconds{0},
        std::chrono::years{10},
        "Look at what is younger than this alone; 0: at all"
    );
    declare_slices(config, request);
}

std::vector<std::string> named_topics(const Request& request) {
    return request.topics.empty() ? std::vector<std::string>{} : split(request.topics);
}

net::awaitable<Result<std::vector<std::string>>> topics_of(const Tools& tools) {
    if (!tools.request.topics.empty()) co_return named_topics(tools.request);
    OutboxTable table{tools};
    const auto opened = co_await table.open();
    if (!opened) co_return opened.error();
    auto topics = co_await table.topics();
    if (topics) co_return topics;
    auto failure = topics.error();
    failure.detail += "; or name the topics with --topics";
    co_return failure;
}

resilience::kafka::TopicReaderOptions reader_options(
    const Tools& tools, const std::vector<std::string>& topics
) {
    resilience::kafka::TopicReaderOptions options;
    std::set<std::string> all(topics.begin(), topics.end());
    for (const auto& topic : topics) {
        for (const auto suffix : {default_dead_letter_suffix, default_park_suffix}) {
            auto aside = topic + std::string{suffix};
            if (is_topic_name(aside)) all.insert(std::move(aside));
        }
    }
    options.topics.assign(all.begin(), all.end());
    options.skip_missing = true;
    options.patience = tools.request.patience;
    return options;
}

std::optional<std::string_view> header_of(
    const resilience::kafka::Record& record, std::string_view name
) {
    std::optional<std::string_view> found;
    for (const auto& [key, value] : record.headers) {
        if (key == name) found = value;
    }
    return found;
}

}  // namespace resilience::modules::outbox_admin
