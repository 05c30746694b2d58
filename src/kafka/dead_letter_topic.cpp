// SPDX-License-Identifier: MIT
#include <resilience/kafka/dead_letter_topic.hpp>

#include <resilience/kafka/producer.hpp>

#include "outbox/short_reason.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>
#include <utility>

namespace resilience::kafka {

Message dead_letter(const Record& record, const Failure& why, std::string_view suffix) {
    Message letter{
        .topic = record.topic + std::string{suffix},
        .key = record.key,
        .value = record.value,
        .headers = record.headers};
    const auto add = [&letter](std::string_view name, std::string value) {
        std::erase_if(letter.headers, [name](const Header& h) {
            return h.first == name;
        });
        letter.headers.emplace_back(std::string{name}, std::move(value));
    };
    add(dead_letter_topic_header, record.topic);
    add(dead_letter_partition_header, std::to_string(record.partition));
    add(dead_letter_offset_header, std::to_string(record.offset));
    add(dead_letter_reason_header, resilience::detail::short_reason(why));
    return letter;
}

DeadLetterTopic::DeadLetterTopic(Producer& producer, std::string suffix)
    : producer_(&producer), suffix_(std::move(suffix)) {
    if (suffix_.empty()) throw std::invalid_argument("suffix: must not be empty");
}

net::awaitable<Result<void>> DeadLetterTopic::operator()(
    const Record& record, const Failure& why
) const {
    auto letter = dead_letter(record, why, suffix_);
    const auto report =
        co_await producer_->async_produce(std::move(letter), net::use_awaitable);
    if (!report) co_return report.error();
    co_return Result<void>{};
}

}  // namespace resilience::kafka
