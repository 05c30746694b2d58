// SPDX-License-Identifier: MIT
#include "kafka/lane_session.hpp"

#include "kafka/error_map.hpp"
#include "kafka/lane_configuration.hpp"
#include "kafka/position_reader.hpp"

#include <librdkafka/rdkafka.h>

#include <exception>
#include <set>
#include <string_view>
#include <utility>

namespace resilience::kafka::detail {
namespace {

constexpr std::size_t most_topics = 4;
constexpr const char* take_over_first = "the lane must be taken over first";

std::string name_of(const Event& event) {
    return "event " + event.id + " of topic " + event.topic;
}

// Some of the topics that a transaction writes to.
std::string topics_of(
    std::span<const WindowEvent> events, const std::string& position_topic
) {
    std::set<std::string_view> names{position_topic};
    for (const auto& one : events) {
        if (names.size() == most_topics) break;
        names.insert(one.event.topic);
    }
    std::string text;
    for (const auto name : names) {
        if (!text.empty()) text += ", ";
        text += name;
    }
    return text;
}

}  // namespace

LaneSession::LaneSession(ProducerOptions producer, LaneProducerOptions options)
    : producer_options_(std::move(producer)),
      options_(checked_lane_options(producer_options_, std::move(options))),
      settings_(lane_producer_settings(producer_options_, options_)),
      message_(options_.source, options_.lane),
      rest_(options_.longest_rest) {
    check_settings(settings_);
}

LaneProducerSnapshot LaneSession::snapshot() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

Result<std::optional<LanePosition>> LaneSession::take_over(const std::stop_token& stop) {
    const auto began = Clock::now();
    refusals_.clear();
    replaced_.clear();
    client_.reset();
    Result<std::optional<LanePosition>> position = fail(Errc::internal);
    try {
        position = read_position({began + options_.take_over_timeout, stop});
    } catch (const std::exception& error) {
        position = fail(Errc::internal, error.what());
    }
    const std::lock_guard lock(mutex_);
    counters_.ready = position.has_value();
    if (position) {
        lane_seq_ = *position ? (*position)->lane_seq : 0;
        ++counters_.take_overs;
        counters_.last_take_over = Clock::now() - began;
    } else {
        client_.reset();
        if (position.error() == Errc::fenced) ++counters_.fences;
    }
    return position;
}

Result<std::optional<LanePosition>> LaneSession::read_position(const Patience& patience) {
    PositionReader reader{producer_options_, options_};
    const auto prepared = reader.prepare(patience);
    if (!prepared) return prepared.error();
    client_ =
        std::make_unique<TransactionalClient>(settings_, producer_options_.log, ledger_);
    // I7: what is read is read behind the fence.
    const auto fenced = client_->init(patience);
    if (!fenced) return fenced.error();
    const auto warm = client_->topic(options_.position_topic, patience);
    if (!warm) return warm.error();
    for (const auto& name : std::exchange(topics_, {})) {
        // One that is gone is told when an event needs it.
        if (client_->topic(name, patience)) topics_.insert(name);
    }
    return reader.last(patience);
}

Result<void> LaneSession::commit(
    std::span<const WindowEvent> events,
    const LanePosition& next,
    const std::stop_token& stop
) {
    const auto began = Clock::now();
    refusals_.clear();
    if (!client_) {
        const auto why = std::exchange(replaced_, {});
        const auto failure = why.empty() ? fail(Errc::invalid_request, take_over_first)
                                         : fail(Errc::aborted, why);
        count(failure);
        return failure;
    }
    stage_ = Stage::before;
    // The client is gone before the reports are, however this ends.
    ChunkReports reports(events.size() + 1);
    try {
        const auto done =
            transact(events, next, reports, {began + options_.transaction_timeout, stop});
        if (!done) return give_up(done.error());
    } catch (const std::exception& error) {
        return give_up(fail(Errc::internal, error.what()));
    }
    committed(events.size(), next, began);
    return {};
}

Result<void> LaneSession::transact(
    std::span<const WindowEvent> events,
    const LanePosition& next,
    ChunkReports& reports,
    const Patience& patience
) {
    auto done = check(events, next);
    if (done) done = find_topics(events, patience);
    if (!done) return done;

    ledger_.begin();
    done = client_->begin();
    if (!done) return done;
    stage_ = Stage::open;
    send(events, next, reports, patience);
    if (reports.failed().empty()) done = client_->await_reports(reports, patience);
    // To commit succeeds whatever was refused or lost: what is committed is decided here.
    if (!reports.is_complete()) return undelivered(reports, events, done);

    stage_ = Stage::ending;
    // Begun, it is not given up before the cluster itself gives it up.
    return client_->commit({Clock::now() + options_.transaction_timeout, {}});
}

// What can be refused before anything is sent.
Result<void> LaneSession::check(
    std::span<const WindowEvent> events, const LanePosition& next
) {
    if (next.lane_seq != lane_seq_ + events.size()) {
        return fail(
            Errc::invalid_request,
            "lane_seq " + std::to_string(next.lane_seq) + " does not follow " +
                std::to_string(lane_seq_) + " by " + std::to_string(events.size()) +
                " events"
        );
    }
    std::vector<FailedMessage> failed;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (events[i].defect.empty()) continue;
        failed.push_back({i, fail(Errc::invalid_request, events[i].defect), {}, true});
    }
    if (!failed.empty()) return refused(failed, events);
    return {};
}

Result<void> LaneSession::find_topics(
    std::span<const WindowEvent> events, const Patience& patience
) {
    std::vector<FailedMessage> failed;
    // Failures of topics that were asked for, once each.
    std::map<std::string_view, std::optional<Failure>> asked;
    for (std::size_t i = 0; i < events.size(); ++i) {
        const auto& name = events[i].event.topic;
        auto found = asked.find(name);
        if (found == asked.end()) {
            std::optional<Failure> failure;
            const auto topic = client_->topic(name, patience);
            if (!topic) {
                failure = topic.error();
                if (!is_fault_of_message(*failure)) return *failure;
            } else {
                topics_.insert(name);
            }
            found = asked.emplace(name, std::move(failure)).first;
        }
        if (found->second) failed.push_back({i, *found->second, {}, true});
    }
    if (!failed.empty()) return refused(failed, events);
    return {};
}

// Whatever cannot be sent is noted in `reports`.
void LaneSession::send(
    std::span<const WindowEvent> events,
    const LanePosition& next,
    ChunkReports& reports,
    const Patience& patience
) {
    const std::size_t count = events.size();
    for (std::size_t i = 0; i < count; ++i) {
        const auto lane_seq = lane_seq_of(next.lane_seq, i, count);
        if (!send_event(events[i].event, i, lane_seq, reports, patience)) return;
    }
    // The rest shows which other events are refused; the chunk itself is lost.
    if (!reports.failed().empty()) return;
    const auto topic = client_->topic(options_.position_topic, patience);
    if (!topic) return reports.refuse(count, topic.error());
    const auto position = position_message(options_, options_.position_topic, next);
    const int error =
        client_->produce(**topic, view_of(position), reports.mark(count), patience);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return reports.accept();
    reports.refuse(
        count,
        fail(
            delivery_error(error, false),
            rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))
        )
    );
}

// False: nothing more can be sent.
bool LaneSession::send_event(
    const Event& event,
    std::size_t index,
    std::uint64_t lane_seq,
    ChunkReports& reports,
    const Patience& patience
) {
    const auto topic = client_->topic(event.topic, patience);
    if (!topic) {
        reports.refuse(index, topic.error());
        return is_fault_of_message(topic.error());
    }
    std::optional<std::int32_t> partition;
    if (options_.partitioner) {
        try {
            partition = options_.partitioner(event, (*topic)->partitions);
        } catch (const std::exception& error) {
            reports.refuse(
                index,
                fail(
                    Errc::invalid_request,
                    std::string{"the partition strategy threw: "} + error.what()
                )
            );
            return true;
        }
    }
    const int error = client_->produce(
        **topic, message_.of(event, partition, lane_seq), reports.mark(index), patience
    );
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        reports.accept();
        return true;
    }
    auto failure = fail(
        delivery_error(error, false),
        rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))
    );
    const bool go_on = is_fault_of_message(failure);
    reports.refuse(index, std::move(failure));
    return go_on;
}

Result<void> LaneSession::undelivered(
    const ChunkReports& reports,
    std::span<const WindowEvent> events,
    const Result<void>& waited
) {
    auto failure = fail(Errc::aborted, "not every message was reported");
    if (!reports.failed().empty()) {
        failure = refused(reports.failed(), events).error();
        if (failure != Errc::aborted) return failure;
        // The messages were given up with the transaction: what became of it tells why.
        if (auto trouble = client_->trouble()) failure = std::move(*trouble);
    } else if (!waited) {
        failure = waited.error();
    }
    // One that may not be part of it is not named by the cluster.
    if (is_fault_of_message(failure)) {
        failure.detail += ", of the topics " + topics_of(events, options_.position_topic);
    }
    return failure;
}

Result<void> LaneSession::refused(
    const std::vector<FailedMessage>& failed, std::span<const WindowEvent> events
) {
    auto verdict = judge(failed, events.size());
    refusals_ = std::move(verdict.refusals);
    if (!refusals_.empty()) {
        const auto& first = refusals_.front();
        verdict.failure.detail =
            name_of(events[first.event].event) + ": " + first.failure.detail;
    }
    return verdict.failure;
}

// I8: no transaction ever follows a failed one on the same producer.
Failure LaneSession::give_up(Failure failure) {
    const bool fenced = failure == Errc::fenced || client_->is_fenced();
    if (stage_ == Stage::open && !fenced) client_->abort(options_.abort_timeout);
    client_.reset();
    if (fenced) refusals_.clear();
    failure = failure_at(std::move(failure), stage_, fenced, ledger_);
    count(failure);
    return failure;
}

void LaneSession::committed(
    std::size_t events, const LanePosition& next, TimePoint began
) {
    lane_seq_ = next.lane_seq;
    const bool put_off = ledger_.is_put_off();
    rest_.note(began - ended_at_, put_off);
    ended_at_ = Clock::now();
    const bool suspicious = !ledger_.is_balanced();
    const bool replace = must_replace(options_.epoch_guard, ledger_);
    if (replace) {
        client_.reset();
        replaced_ = "the producer was replaced after its last commit: " + ledger_.text();
    }
    const std::lock_guard lock(mutex_);
    ++counters_.commits;
    counters_.events += events;
    counters_.last_commit = ended_at_ - began;
    counters_.ready = !replace;
    if (put_off) ++counters_.put_offs;
    counters_.rest = rest_.value();
    if (replace && suspicious) ++counters_.suspicions;
}

void LaneSession::count(const Failure& failure) {
    const std::lock_guard lock(mutex_);
    counters_.ready = false;
    if (failure == Errc::fenced) {
        ++counters_.fences;
    } else if (is_in_doubt(failure.code)) {
        ++counters_.doubts;
    } else {
        ++counters_.aborts;
    }
}

}  // namespace resilience::kafka::detail
