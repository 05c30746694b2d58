// SPDX-License-Identifier: MIT
#include "kafka/topic_session.hpp"

#include <resilience/event.hpp>

#include "kafka/lane_configuration.hpp"
#include "kafka/record_of.hpp"
#include "kafka/topic_catalog.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// How often a wait looks whether it was stopped.
constexpr milliseconds look{100};

void require(bool holds, const char* complaint) {
    if (!holds) throw std::invalid_argument(complaint);
}

TopicReaderOptions checked(TopicReaderOptions o) {
    require(
        !o.topics.empty() && o.topics.size() <= 100'000,
        "topics: must be 1 to 100,000 names"
    );
    require(
        std::ranges::all_of(o.topics, is_topic_name),
        "topics: must be 1 to 249 of A-Z a-z 0-9 . _ -"
    );
    require(
        std::set<std::string>(o.topics.begin(), o.topics.end()).size() == o.topics.size(),
        "topics: must each be named once"
    );
    require(
        std::ranges::all_of(o.offsets, [](const auto& one) { return one.second >= 0; }),
        "offsets: must not be negative"
    );
    require(
        o.isolation <= Isolation::read_committed, "isolation: must be one of its names"
    );
    require(
        o.batch_records >= 1 && o.batch_records <= 100'000,
        "batch_records: must be 1 to 100,000"
    );
    require(
        o.batch_bytes >= 1 && o.batch_bytes <= std::size_t{1} << 30,
        "batch_bytes: must be 1 to 1 GiB"
    );
    require(
        o.buffer_bytes >= std::size_t{1} << 20 && o.buffer_bytes <= std::size_t{1} << 30,
        "buffer_bytes: must be 1 MiB to 1 GiB"
    );
    require(
        o.side_by_side >= 1 && o.side_by_side <= 1000, "side_by_side: must be 1 to 1,000"
    );
    require(
        o.open_timeout >= milliseconds{100} && o.open_timeout <= std::chrono::hours{1},
        "open_timeout: must be 100 ms to 1 h"
    );
    require(
        o.patience >= milliseconds{1} && o.patience <= std::chrono::hours{1},
        "patience: must be 1 ms to 1 h"
    );
    return o;
}

}  // namespace

TopicSession::TopicSession(ProducerOptions connection, TopicReaderOptions options)
    : connection_(std::move(connection)),
      options_(checked(std::move(options))),
      log_(connection_.log) {
    (void)producer_settings(connection_);
    check_settings(reader_settings(connection_, options_.isolation));
}

Result<void> TopicSession::open(const std::stop_token& stop) {
    stretches_.reset();
    partitions_.clear();
    next_ = 0;
    const Opening opening{Clock::now() + options_.open_timeout, options_.patience, stop};
    auto done = connect();
    if (done) done = find_partitions(opening);
    if (done) done = find_ends(opening);
    if (done) done = find_beginnings(opening);
    if (!done) {
        partitions_.clear();
        if (done.error() != Errc::timed_out || !opening.is_over()) return done;
        return fail(Errc::timed_out, "open_timeout: " + done.error().detail);
    }
    stretches_ = std::make_unique<StretchReader>(*reading_);
    return {};
}

Result<void> TopicSession::connect() {
    if (reading_) return {};
    uncommitted_ = open_client(
        RD_KAFKA_CONSUMER, reader_settings(connection_, Isolation::read_uncommitted), log_
    );
    auto settings = reader_settings(connection_, options_.isolation);
    const auto bytes = std::to_string(options_.buffer_bytes);
    settings.emplace_back(
        "queued.max.messages.kbytes", std::to_string(options_.buffer_bytes / 1024)
    );
    settings.emplace_back("fetch.max.bytes", bytes);
    reading_ = open_client(RD_KAFKA_CONSUMER, settings, log_);
    return {};
}

Result<void> TopicSession::find_partitions(const Opening& opening) {
    std::map<std::string, std::int32_t> counts;
    auto topics = options_.topics;
    // All that are missing are asked for in turns: many take no longer than one.
    for (int tries = 1; !topics.empty(); ++tries) {
        if (tries > 1) opening.next().pause(question_pause);
        std::vector<std::string> missing;
        for (auto& topic : topics) {
            const auto count = partition_count(*uncommitted_, topic, opening.next(), 1);
            if (count) {
                counts.emplace(topic, *count);
            } else if (count.error() != Errc::bad_destination) {
                return count.error();
            } else if (tries < tries_until_missing) {
                missing.push_back(std::move(topic));
            } else if (!options_.skip_missing) {
                return count.error();
            }
        }
        topics = std::move(missing);
    }
    for (const auto& [topic, count] : counts) {
        for (std::int32_t i = 0; i < count; ++i) {
            partitions_.push_back({.partition = {topic, i}});
        }
    }
    return {};
}

Result<void> TopicSession::find_ends(const Opening& opening) {
    for (auto& one : partitions_) {
        // In this order: what is stable is never after the end.
        const auto stable = watermarks(*reading_, one.partition, opening.next());
        if (!stable) return stable.error();
        const auto all = watermarks(*uncommitted_, one.partition, opening.next());
        if (!all) return all.error();
        one.low = all->low;
        one.first = one.reached = all->low;
        one.stable = stable->high;
        one.end = all->high;
    }
    return {};
}

Result<void> TopicSession::find_beginnings(const Opening& opening) {
    if (options_.since && !partitions_.empty()) {
        std::vector<TopicPartition> asked;
        for (const auto& one : partitions_) asked.push_back(one.partition);
        const auto found =
            offsets_since(*uncommitted_, asked, *options_.since, opening.next());
        if (!found) return found.error();
        for (std::size_t i = 0; i < partitions_.size(); ++i) {
            auto& one = partitions_[i];
            one.first = (*found)[i] < 0 ? one.end : (*found)[i];
        }
    }
    for (auto& one : partitions_) {
        const auto asked = options_.offsets.find(one.partition);
        if (asked != options_.offsets.end()) one.first = asked->second;
        one.first = std::clamp(one.first, one.low, one.end);
        one.reached = one.first;
    }
    return {};
}

Result<void> TopicSession::fill() {
    while (next_ < partitions_.size() && stretches_->open() < options_.side_by_side) {
        const auto& one = partitions_[next_];
        const auto added = stretches_->add({one.partition, one.first, one.end});
        if (!added) return added;
        ++next_;
    }
    return {};
}

void TopicSession::note() {
    const auto& stretches = stretches_->stretches();
    for (std::size_t i = 0; i < stretches.size(); ++i) {
        partitions_[i].reached = stretches[i].reached;
    }
}

std::string TopicSession::silence() const {
    for (const auto& one : partitions_) {
        if (one.reached >= one.end) continue;
        std::string where = one.partition.topic + '[' +
                            std::to_string(one.partition.partition) +
                            "] was read to offset " + std::to_string(one.reached) +
                            " of " + std::to_string(one.end);
        if (one.stable < one.end) {
            where += ": a transaction is open at offset " + std::to_string(one.stable);
        }
        return where;
    }
    return "nothing came";
}

Result<std::vector<Record>> TopicSession::read(const std::stop_token& stop) {
    if (!stretches_) {
        return fail(Errc::invalid_request, "the reader must be opened first");
    }
    try {
        return next(stop);
    } catch (...) {
        // What was taken is lost, and must not be passed over by a later call.
        stretches_.reset();
        throw;
    }
}

Result<std::vector<Record>> TopicSession::next(const std::stop_token& stop) {
    std::vector<Record> records;
    std::size_t bytes = 0;
    auto limit = patience(stop);
    while (!limit.is_over()) {
        const auto filled = fill();
        if (!filled) return filled.error();
        if (stretches_->open() == 0) {
            note();
            return records;
        }
        // What is there is handed out before anything is waited for.
        const int timeout = records.empty() ? limit.slice(look) : 0;
        const auto seen = stretches_->look(timeout);
        if (!seen) {
            note();
            return seen.error();
        }
        if (seen->moved) limit = patience(stop);
        if (seen->record) {
            records.push_back(record_of(*seen->record));
            bytes += size_of(records.back());
            if (records.size() >= options_.batch_records ||
                bytes >= options_.batch_bytes) {
                note();
                return records;
            }
        } else if (!records.empty() && !seen->moved) {
            note();
            return records;
        }
    }
    note();
    if (!records.empty()) return records;
    return limit.failure(silence());
}

}  // namespace resilience::kafka::detail
