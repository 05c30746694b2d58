// SPDX-License-Identifier: MIT
#include "kafka/producer_core.hpp"

#include "kafka/error_map.hpp"

#include <boost/asio/bind_executor.hpp>

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace resilience::kafka::detail {
namespace {

using std::chrono::seconds;

// How long the answers to what is in flight are worth waiting for once the producer is
// fatal, and how long the reports of a purge may take.
constexpr seconds drain_limit{1};
constexpr seconds purge_limit{5};

constexpr std::chrono::minutes metadata_age{5};

int make_eventfd() {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) throw std::system_error(errno, std::system_category(), "eventfd");
    return fd;
}

}  // namespace

ProducerCore::ProducerCore(net::any_io_executor executor, ProducerOptions options)
    : executor_(std::move(executor)),
      strand_(net::make_strand(executor_)),
      options_(std::move(options)),
      client_(std::make_shared<Client>(producer_settings(options_), options_.log)),
      topics_(std::make_shared<TopicTable>(strand_, client_, options_.metadata_timeout)),
      arrivals_(strand_, make_eventfd()),
      timer_(strand_) {
    client_->signal_to(arrivals_.native_handle());
}

ProducerCore::~ProducerCore() { release_client(); }

void ProducerCore::start(std::vector<Message> messages, BatchHandler handler) {
    auto batch = std::make_shared<Batch>(
        *this, std::move(messages), std::move(handler), executor_, Clock::now()
    );
    net::dispatch(
        strand_,
        [self = shared_from_this(), batch = std::move(batch)]() mutable {
            self->admit(std::move(batch));
        }
    );
}

void ProducerCore::start_flush(std::chrono::milliseconds timeout, Handler<void> handler) {
    net::dispatch(
        strand_,
        [self = shared_from_this(), timeout, handler = std::move(handler)]() mutable {
            auto flush = std::make_shared<Flush>(self->strand_, std::move(handler));
            flush->timer.expires_after(timeout);
            flush->timer.async_wait([self, weak = std::weak_ptr(flush)](auto error) {
                const auto late = weak.lock();
                if (error || !late) return;
                self->flushes_.remove(late);
                resilience::detail::complete<Result<void>>(
                    self->executor_, std::move(late->handler), fail(Errc::timed_out)
                );
            });
            self->flushes_.push_back(std::move(flush));
            self->check_flushes();
        }
    );
}

void ProducerCore::start_metadata(std::string topic, Handler<TopicMetadata> handler) {
    net::dispatch(
        strand_,
        [self = shared_from_this(),
         topic = std::move(topic),
         handler = std::move(handler)]() mutable {
            if (const auto known = self->topics_->known(topic, metadata_age)) {
                return resilience::detail::complete<Result<TopicMetadata>>(
                    self->executor_, std::move(handler), *known
                );
            }
            auto work = net::make_work_guard(
                resilience::detail::executor_of(handler, self->executor_)
            );
            self->topics_->fetch(
                topic,
                [executor = self->executor_,
                 work = std::move(work),
                 handler = std::move(handler)](Result<TopicMetadata> result) mutable {
                    resilience::detail::complete(
                        executor, std::move(handler), std::move(result)
                    );
                }
            );
        }
    );
}

void ProducerCore::admit(std::shared_ptr<Batch> batch) {
    if (phase_ != Phase::working) {
        batch->settle_rest(broken_by_);
    } else if (waiting_messages_ + batch->messages.size() > options_.queue_messages) {
        batch->settle_rest(fail(Errc::queue_full));
    }
    if (batch->is_settled()) return batch->complete(executor_);
    waiting_messages_ += batch->messages.size();
    waiting_.push_back(batch);
    await_topics(batch);
    send_ready();
    set_timer();
}

void ProducerCore::await_topics(const std::shared_ptr<Batch>& batch) {
    // Held until all are asked for: an answer may come at once.
    batch->awaited = 1;
    std::set<std::string_view> seen;
    for (const auto& message : batch->messages) {
        if (!seen.insert(message.topic).second || topics_->find(message.topic)) continue;
        ++batch->awaited;
        auto settled = [weak = weak_from_this(),
                        late = std::weak_ptr(batch),
                        topic = message.topic](Result<TopicMetadata> result) {
            const auto self = weak.lock();
            const auto waiting = late.lock();
            if (!self || !waiting) return;
            if (!result) waiting->refused_topics.emplace(topic, result.error());
            --waiting->awaited;
            self->send_ready();
        };
        topics_->fetch(message.topic, std::move(settled));
    }
    --batch->awaited;
}

// A batch behind one that waits for a topic waits too: messages leave in the order in
// which they were handed over.
void ProducerCore::send_ready() {
    while (!waiting_.empty() && waiting_.front()->awaited == 0) {
        const auto batch = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_messages_ -= batch->messages.size();
        send(batch);
    }
}

void ProducerCore::send(const std::shared_ptr<Batch>& batch) {
    std::set<std::string_view> refused_keys;
    const auto& messages = batch->messages;
    for (std::size_t i = 0; i < messages.size() && !batch->is_settled(); ++i) {
        const auto& key = messages[i].key;
        if (key && !refused_keys.empty() && refused_keys.contains(*key)) {
            batch->settle(
                i, fail(Errc::cancelled, "an earlier message of the key failed")
            );
            continue;
        }
        const auto submitted = submit(*batch, i);
        if (submitted) continue;
        batch->settle(i, submitted.error());
        if (key) refused_keys.insert(*key);
    }
    batch->messages = {};
    if (batch->is_settled()) {
        batch->complete(executor_);
        return check_flushes();
    }
    batch->place = sent_.insert(sent_.end(), batch);
    set_timer();
    watch_reports();
}

Result<void> ProducerCore::submit(Batch& batch, std::size_t index) {
    const auto& message = batch.messages[index];
    if (phase_ != Phase::working) return broken_by_;
    const auto topic = topics_->find(message.topic);
    if (!topic) {
        const auto refused = batch.refused_topics.find(message.topic);
        if (refused != batch.refused_topics.end()) return refused->second;
        return fail(Errc::unavailable, "nothing is known of the topic");
    }
    const int error = client_->produce(*topic, view_of(message), batch.mark(index));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    auto failure = fail(
        delivery_error(error, false),
        rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error))
    );
    if (error == RD_KAFKA_RESP_ERR__FATAL) break_down(Phase::draining, failure);
    return failure;
}

void ProducerCore::watch_reports() {
    if (watching_ || sent_.empty() || phase_ == Phase::closed) return;
    watching_ = true;
    arrivals_.async_wait(
        net::posix::stream_descriptor::wait_read,
        [self = shared_from_this()](auto error) {
            self->watching_ = false;
            if (error || self->phase_ == Phase::closed) return;
            // The counter is cleared first: a report that comes now signals again.
            std::uint64_t signals = 0;
            (void)!::read(self->arrivals_.native_handle(), &signals, sizeof signals);
            self->client_->serve();
            self->check_flushes();
            self->watch_reports();
            self->set_timer();
        }
    );
}

void ProducerCore::reported(
    Batch& batch, std::size_t index, const rd_kafka_message_t& m
) {
    if (m.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        batch.settle(index, DeliveryReport{m.partition, m.offset});
    } else {
        auto failure = failure_of(batch, m);
        if (phase_ == Phase::working) break_down(Phase::draining, failure);
        batch.settle(index, std::move(failure));
    }
    if (!batch.is_settled()) return;
    const auto done = *batch.place;
    sent_.erase(done->place);
    done->complete(executor_);
}

Failure ProducerCore::failure_of(const Batch& batch, const rd_kafka_message_t& m) const {
    const bool in_doubt =
        rd_kafka_message_status(&m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
    const bool purged = m.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
                        m.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
    if (purged && expired_) {
        return fail(
            in_doubt ? Errc::timed_out_in_doubt : Errc::timed_out,
            client_->log().trouble_since(batch.began)
        );
    }
    return fail(
        delivery_error(m.err, in_doubt),
        purged ? broken_by_.detail : std::string{rd_kafka_err2str(m.err)}
    );
}

void ProducerCore::break_down(Phase phase, const Failure& reason) {
    broken_by_ = fail(Errc::closed, "an earlier message failed: " + reason.message());
    enter(phase, Clock::now());
    refuse_waiting(broken_by_);
}

void ProducerCore::enter(Phase phase, TimePoint now) {
    phase_ = phase;
    phase_ends_ = now + (phase == Phase::draining ? drain_limit : purge_limit);
    client_->purge(phase == Phase::purged);
    set_timer();
}

void ProducerCore::refuse_waiting(const Failure& failure) {
    for (const auto& batch : std::exchange(waiting_, {})) {
        batch->settle_rest(failure);
        batch->complete(executor_);
    }
    waiting_messages_ = 0;
}

void ProducerCore::on_time(TimePoint now) {
    const auto is_late = [&](const std::shared_ptr<Batch>& batch) {
        return now >= batch->began + options_.delivery_timeout;
    };
    while (!waiting_.empty() && is_late(waiting_.front())) {
        waiting_.front()->settle_rest(fail(Errc::timed_out, "the topic is not known yet")
        );
        waiting_.front()->complete(executor_);
        waiting_messages_ -= waiting_.front()->messages.size();
        waiting_.pop_front();
    }
    send_ready();
    if (!sent_.empty() && phase_ != Phase::purged && is_late(sent_.front())) {
        expired_ = true;
        break_down(Phase::purged, fail(Errc::timed_out_in_doubt));
    } else if (phase_ == Phase::draining && now >= phase_ends_) {
        enter(Phase::purged, now);
    } else if (phase_ == Phase::purged && now >= phase_ends_) {
        // The client lost a report. Nothing may wait for ever.
        return close();
    }
    check_flushes();
    set_timer();
}

void ProducerCore::set_timer() {
    if (phase_ == Phase::closed || (sent_.empty() && waiting_.empty())) {
        if (std::exchange(timing_, false)) timer_.cancel();
        return;
    }
    if (timing_ && phase_ == Phase::working) return;
    auto next = TimePoint::max();
    if (!waiting_.empty()) next = waiting_.front()->began + options_.delivery_timeout;
    if (!sent_.empty() && phase_ != Phase::purged) {
        next = std::min(next, sent_.front()->began + options_.delivery_timeout);
    }
    if (phase_ != Phase::working) next = std::min(next, phase_ends_);
    timing_ = true;
    timer_.expires_at(next);
    timer_.async_wait([self = shared_from_this()](auto error) {
        if (error) return;
        self->timing_ = false;
        if (self->phase_ != Phase::closed) self->on_time(Clock::now());
    });
}

void ProducerCore::check_flushes() {
    if (!sent_.empty() || !waiting_.empty()) return;
    for (const auto& flush : std::exchange(flushes_, {})) {
        flush->timer.cancel();
        resilience::detail::complete<Result<void>>(
            executor_, std::move(flush->handler), {}
        );
    }
}

void ProducerCore::close() {
    if (phase_ == Phase::closed) return;
    if (phase_ == Phase::working) broken_by_ = fail(Errc::closed);
    phase_ = Phase::closed;
    release_client();
    boost::system::error_code ignored;
    arrivals_.close(ignored);
    refuse_waiting(fail(Errc::closed));
    for (const auto& batch : std::exchange(sent_, {})) {
        batch->settle_rest(fail(Errc::cancelled_in_doubt, "the producer was closed"));
        batch->complete(executor_);
    }
    for (const auto& flush : std::exchange(flushes_, {})) {
        flush->timer.cancel();
        resilience::detail::complete<Result<void>>(
            executor_, std::move(flush->handler), fail(Errc::closed)
        );
    }
    set_timer();
}

void ProducerCore::release_client() {
    client_.reset();
    topics_->close();
}

}  // namespace resilience::kafka::detail
