// SPDX-License-Identifier: MIT
#include "kafka/consumer_session.hpp"

#include "kafka/consumer_configuration.hpp"
#include "kafka/error_map.hpp"
#include "kafka/partition_list.hpp"
#include "kafka/record_of.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::milliseconds;

// How often the wait for the group's farewell looks whether it is over, and the pause
// before a retry.
constexpr milliseconds look{10};
constexpr milliseconds retry_pause{50};

constexpr std::size_t largest_batch = 100'000;
constexpr std::chrono::hours longest_wait{1};

TopicPartition partition_of(const Record& record) {
    return {record.topic, record.partition};
}

std::vector<TopicPartition> names(const rd_kafka_topic_partition_list_t* list) {
    std::vector<TopicPartition> partitions;
    for (const auto& part : parts(list)) {
        partitions.push_back({part.topic, part.partition});
    }
    return partitions;
}

}  // namespace

ConsumerSession::ConsumerSession(ConsumerOptions options)
    : options_(std::move(options)),
      settings_(consumer_settings(options_)),
      log_(options_.log) {
    check_settings(settings_);
}

ConsumerSession::~ConsumerSession() { (void)close({}); }

ConsumerSnapshot ConsumerSession::snapshot() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

Result<void> ConsumerSession::open() {
    if (closed_) return fail(Errc::closed);
    if (client_) return {};
    try {
        client_.reset(open_client(
                          RD_KAFKA_CONSUMER,
                          settings_,
                          log_,
                          nullptr,
                          RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR
        )
                          .release());
    } catch (const std::exception& error) {
        return fail(Errc::invalid_request, error.what());
    }
    rd_kafka_poll_set_consumer(client_.get());
    queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
    std::vector<NextOffset> topics;
    for (const auto& topic : options_.topics) {
        topics.push_back({{topic, RD_KAFKA_PARTITION_UA}, RD_KAFKA_OFFSET_INVALID});
    }
    const auto error = rd_kafka_subscribe(client_.get(), list_of(topics).get());
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    queue_.reset();
    client_.reset();
    return failure_of(error);
}

Result<std::vector<Record>> ConsumerSession::poll(
    std::size_t max, milliseconds wait, const std::stop_token& stop
) {
    try {
        return next(max, wait, stop);
    } catch (const std::exception& error) {
        // What was being taken is lost to this member: it comes again in a new one.
        leave({Clock::now() + options_.close_timeout, {}});
        return fail(Errc::internal, error.what());
    }
}

Result<std::vector<Record>> ConsumerSession::next(
    std::size_t max, milliseconds wait, const std::stop_token& stop
) {
    if (max < 1 || max > largest_batch) {
        return fail(Errc::invalid_request, "max: must be 1 to 100,000");
    }
    if (wait.count() < 0 || wait > longest_wait) {
        return fail(Errc::invalid_request, "wait: must be 0 to 1 h");
    }
    overdue_ = is_overdue();
    const auto opened = open();
    if (!opened) return opened.error();
    const Patience patience{Clock::now() + wait, stop};
    if (const auto ended = fatal()) return *ended;
    if (rewinding_) {
        // A partition without an answer keeps the rest waiting no longer than a commit.
        const auto back = seek_back({Clock::now() + options_.commit_timeout, stop});
        if (!back) return back.error();
    }
    const std::stop_callback wake(stop, [this] { rd_kafka_queue_yield(queue_.get()); });
    gather(max, patience);
    polled_at_ = Clock::now();
    if (stop.stop_requested()) return fail(Errc::cancelled);
    return hand_out(max);
}

bool ConsumerSession::is_overdue() const {
    return client_ && polled_at_ &&
           Clock::now() - *polled_at_ >= options_.max_poll_interval;
}

void ConsumerSession::gather(std::size_t max, const Patience& patience) {
    while (pending_.size() < max && pending_bytes_ < options_.batch_bytes && !failure_) {
        const int timeout = pending_.empty() ? patience.slice(longest_wait) : 0;
        const EventHandle event{rd_kafka_queue_poll(queue_.get(), timeout)};
        if (event) {
            take(*event);
        } else if (!pending_.empty() || patience.is_over()) {
            return;
        }
    }
}

Result<std::vector<Record>> ConsumerSession::hand_out(std::size_t max) {
    auto trouble = std::exchange(trouble_, std::nullopt);
    if (pending_.empty()) {
        if (failure_) return *std::exchange(failure_, std::nullopt);
        if (trouble) return std::move(*trouble);
    }
    // After a poll that was cancelled there may be more.
    const auto count = std::min(max, pending_.size());
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(count);
    std::vector<Record> records(
        std::make_move_iterator(pending_.begin()), std::make_move_iterator(end)
    );
    pending_.erase(pending_.begin(), end);
    measure();
    for (const auto& record : records) {
        owned_.handed_out(partition_of(record), record.offset);
    }
    const std::lock_guard lock(mutex_);
    counters_.records += records.size();
    return records;
}

void ConsumerSession::take(rd_kafka_event_t& event) {
    switch (rd_kafka_event_type(&event)) {
        case RD_KAFKA_EVENT_FETCH:
            while (const auto* message = rd_kafka_event_message_next(&event)) {
                if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
                auto record = record_of(*message);
                pending_bytes_ += size_of(record);
                pending_.push_back(std::move(record));
            }
            break;
        case RD_KAFKA_EVENT_REBALANCE:
            rebalance(event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            take_error(event);
            break;
        default:
            break;
    }
}

void ConsumerSession::take_error(rd_kafka_event_t& event) {
    const auto code = rd_kafka_event_error(&event);
    // The partitions that are lost with it follow.
    if (code == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED) return;
    if (rd_kafka_event_error_is_fatal(&event) != 0) {
        failure_ = fatal();
        return;
    }
    auto failure = fail(group_error(code), rd_kafka_event_error_string(&event));
    auto& place = is_retryable(failure.code) ? trouble_ : failure_;
    place = std::move(failure);
}

// The client tells it once, and does nothing any more.
std::optional<Failure> ConsumerSession::fatal() const {
    std::array<char, 512> reason{};
    const auto code = rd_kafka_fatal_error(client_.get(), reason.data(), reason.size());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::nullopt;
    return fail(group_error(code), reason.data());
}

void ConsumerSession::rebalance(rd_kafka_event_t& event) {
    auto* client = client_.get();
    const auto* list = rd_kafka_event_topic_partition_list(&event);
    const bool assigned =
        rd_kafka_event_error(&event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    // The client does not call lost what it was asked to give back before it was late.
    const bool lost = !assigned && (overdue_ || rd_kafka_assignment_lost(client) != 0);
    const char* protocol = rd_kafka_rebalance_protocol(client);
    const bool cooperative = protocol && std::string_view{protocol} == "COOPERATIVE";
    // What fails here fails because the group has ended, which is told by an error.
    if (cooperative) {
        const ErrorHandle ignored{
            assigned ? rd_kafka_incremental_assign(client, list)
                     : rd_kafka_incremental_unassign(client, list)};
    } else {
        rd_kafka_assign(client, assigned ? list : nullptr);
    }
    const auto partitions = names(list);
    std::size_t dropped = 0;
    for (const auto& partition : partitions) {
        dropped += drop(partition);
        if (assigned) {
            owned_.add(partition);
        } else {
            owned_.remove(partition);
        }
    }
    {
        const std::lock_guard lock(mutex_);
        ++counters_.rebalances;
        if (lost) ++counters_.losses;
        counters_.partitions = owned_.size();
        counters_.dropped += dropped;
    }
    const auto kind = assigned ? Rebalance::assigned
                      : lost   ? Rebalance::lost
                               : Rebalance::revoked;
    tell(kind, partitions);
}

void ConsumerSession::tell(
    Rebalance kind, const std::vector<TopicPartition>& partitions
) {
    const std::lock_guard lock(hook_mutex_);
    if (!options_.on_rebalance) return;
    try {
        options_.on_rebalance(kind, partitions);
    } catch (...) {
        // The group goes on, whatever the program makes of it.
    }
}

void ConsumerSession::silence() {
    const std::lock_guard lock(hook_mutex_);
    options_.on_rebalance = nullptr;
}

std::size_t ConsumerSession::drop(const TopicPartition& partition) {
    const auto count = std::erase_if(pending_, [&](const Record& record) {
        return partition_of(record) == partition;
    });
    measure();
    return count;
}

void ConsumerSession::measure() {
    pending_bytes_ = 0;
    for (const auto& record : pending_) pending_bytes_ += size_of(record);
}

Result<void> ConsumerSession::seek_back(const Patience& patience) {
    while (true) {
        const auto places = owned_.uncommitted();
        if (places.empty()) break;
        const auto list = list_of(places);
        const ErrorHandle error{rd_kafka_seek_partitions(
            client_.get(), list.get(), patience.slice(milliseconds{1000})
        )};
        auto last = error ? rd_kafka_error_code(error.get()) : RD_KAFKA_RESP_ERR_NO_ERROR;
        for (const auto& part : parts(list.get())) {
            if (error) break;
            if (part.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
                last = part.err;
                continue;
            }
            const TopicPartition partition{part.topic, part.partition};
            owned_.rewound(partition);
            // It follows what is to come again.
            drop(partition);
        }
        if (last == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
        if (patience.is_over()) {
            return patience.failure(
                std::string{"beginning again: "} + rd_kafka_err2str(last)
            );
        }
        patience.pause(retry_pause);
    }
    rewinding_ = false;
    return {};
}

Result<void> ConsumerSession::close(const std::stop_token& stop) {
    if (std::exchange(closed_, true)) return {};
    const Patience patience{Clock::now() + options_.close_timeout, stop};
    if (leave(patience)) return {};
    return patience.failure("the group did not answer");
}

bool ConsumerSession::leave(const Patience& patience) {
    if (!client_) return true;
    bool left = true;
    {
        const QueueHandle farewell{rd_kafka_queue_new(client_.get())};
        const ErrorHandle error{
            rd_kafka_consumer_close_queue(client_.get(), farewell.get())};
        while (!error && left && rd_kafka_consumer_closed(client_.get()) == 0) {
            const EventHandle event{
                rd_kafka_queue_poll(farewell.get(), patience.slice(look))};
            const bool partitions_go =
                event && rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE;
            if (partitions_go) rebalance(*event);
            left = event || !patience.is_over();
        }
    }
    queue_.reset();
    client_.reset();
    polled_at_.reset();
    owned_.clear();
    pending_.clear();
    pending_bytes_ = 0;
    rewinding_ = false;
    const std::lock_guard lock(mutex_);
    counters_.partitions = 0;
    return left;
}

}  // namespace resilience::kafka::detail
