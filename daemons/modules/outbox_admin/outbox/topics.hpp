// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_TOPICS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_TOPICS_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

#include <resilience/kafka/record.hpp>
#include <resilience/kafka/topic_reader_options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::modules::outbox_admin {

/// Declares `--topics --since --rows-at-once`.
void declare_topics(host::Config& config, Request& request);

/// The topics that a request names; empty: none.
std::vector<std::string> named_topics(const Request& request);

/// The topics that a request names, or else the table does.
net::awaitable<Result<std::vector<std::string>>> topics_of(const Tools& tools);

/// Reads these topics and those of their dead letters and parked events, as far as there
/// are any.
resilience::kafka::TopicReaderOptions reader_options(
    const Tools& tools, const std::vector<std::string>& topics
);

/// The last header of that name; valid as long as the record.
std::optional<std::string_view> header_of(
    const resilience::kafka::Record& record, std::string_view name
);

}  // namespace resilience::modules::outbox_admin

#endif
