// SPDX-License-Identifier: MIT
#include "multiplexer.hpp"

#include "connection_options.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/execution/context_as.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

namespace resilience::redis::detail {
namespace {

// Bytes of one write; what arrives meanwhile goes with the next.
constexpr std::size_t write_size = 256 * 1024;

net::execution_context& context_of(const net::any_io_executor& executor) {
    return net::query(executor, net::execution::context_as<net::execution_context&>);
}

}  // namespace

// Lets go of waiting handlers when the execution context ends: a coroutine that owns its
// connection and waits for it would otherwise keep both alive for ever.
class Multiplexers : public net::execution_context::service {
public:
    static inline net::execution_context::id id;

    explicit Multiplexers(net::execution_context& context) : service(context) {}

    void add(Multiplexer* multiplexer) {
        const std::lock_guard lock(mutex_);
        all_.insert(multiplexer);
    }
    void remove(Multiplexer* multiplexer) {
        const std::lock_guard lock(mutex_);
        all_.erase(multiplexer);
    }

private:
    void shutdown() noexcept override {
        std::vector<std::shared_ptr<Multiplexer>> alive;
        {
            const std::lock_guard lock(mutex_);
            for (auto* multiplexer : all_) {
                if (auto self = multiplexer->weak_from_this().lock()) {
                    alive.push_back(std::move(self));
                }
            }
        }
        for (auto& multiplexer : alive) multiplexer->abandon();
    }

    std::mutex mutex_;
    std::set<Multiplexer*> all_;
};

Multiplexer::Multiplexer(net::any_io_executor executor, ConnectionOptions options)
    : executor_(std::move(executor)),
      options_(checked(std::move(options))),
      reconnect_(options_.reconnect),
      tls_(make_tls_context(options_.tls)),
      strand_(net::make_strand(executor_)),
      backoff_(strand_),
      watch_(strand_),
      random_(options_.seed != 0 ? options_.seed : std::random_device{}()),
      registry_(net::use_service<Multiplexers>(context_of(executor_))) {
    registry_.add(this);
}

Multiplexer::~Multiplexer() { registry_.remove(this); }

// --- Called from any thread ---

void Multiplexer::submit(RequestPtr request) {
    std::optional<Failure> refusal;
    enqueue({&request, 1}, refusal);
    if (refusal) refuse(std::move(request), std::move(*refusal));
}

void Multiplexer::submit(std::vector<RequestPtr> requests) {
    std::optional<Failure> refusal;
    enqueue(requests, refusal);
    if (!refusal) return;
    for (auto& request : requests) refuse(std::move(request), *refusal);
}

bool Multiplexer::accept(
    std::size_t count, std::size_t bytes, std::optional<Failure>& refusal
) {
    if (closed_) {
        refusal = fail(Errc::closed);
    } else if (bytes > options_.max_pending_bytes) {
        refusal = fail(Errc::too_large, "the command exceeds max_pending_bytes");
    } else if (count > options_.max_in_flight) {
        refusal = fail(Errc::too_large, "the call exceeds max_in_flight");
    } else if (in_flight_ + count > options_.max_in_flight) {
        refusal = fail(Errc::queue_full, "max_in_flight is reached");
    } else if (pending_bytes_ + bytes > options_.max_pending_bytes) {
        refusal = fail(Errc::queue_full, "max_pending_bytes is reached");
    }
    if (refusal) {
        if (!closed_) ++refused_;
        return false;
    }
    in_flight_ += count;
    pending_bytes_ += bytes;
    return true;
}

void Multiplexer::enqueue(
    std::span<RequestPtr> requests, std::optional<Failure>& refusal
) {
    std::size_t bytes = 0;
    for (const auto& request : requests) bytes += request->wire.bytes().size();
    {
        const std::lock_guard lock(mutex_);
        if (!accept(requests.size(), bytes, refusal)) return;
        // Under the lock, so that deadlines grow in the order of the queue.
        const auto deadline = Clock::now() + options_.request_timeout;
        for (auto& request : requests) {
            request->deadline = deadline;
            incoming_.push_back(std::move(request));
        }
        if (std::exchange(flush_scheduled_, true)) return;
    }
    net::post(strand_, [self = shared_from_this()] { self->flush(); });
}

void Multiplexer::refuse(RequestPtr request, Failure failure) {
    net::post(
        strand_,
        [request = std::move(request), failure = std::move(failure)]() mutable {
            request->complete(std::move(failure));
        }
    );
}

void Multiplexer::preload(std::vector<std::string> command) {
    const std::lock_guard lock(mutex_);
    if (std::find(preloads_.begin(), preloads_.end(), command) == preloads_.end()) {
        preloads_.push_back(std::move(command));
    }
}

void Multiplexer::close() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(closed_, true)) return;
    }
    net::post(strand_, [self = shared_from_this()] { self->shut(); });
}

ConnectionSnapshot Multiplexer::snapshot() const {
    return {
        .connected = connected_,
        .in_flight = in_flight_,
        .connects = connects_,
        .losses = losses_,
        .timeouts = timeouts_,
        .refused = refused_,
    };
}

void Multiplexer::cancel(std::uint64_t key, net::cancellation_type type) {
    using net::cancellation_type;
    const auto strong = cancellation_type::terminal | cancellation_type::partial;
    const bool also_sent = (type & strong) != cancellation_type::none;
    net::post(strand_, [self = shared_from_this(), key, also_sent] {
        // A call that was just repeated with the script's text may not be queued yet.
        self->drain();
        auto given_up = self->queue_.cancel(key, also_sent);
        for (auto& request : given_up.sent) {
            self->finish(std::move(request), fail(Errc::cancelled_in_doubt), false);
        }
        for (auto& request : given_up.waiting) {
            self->finish(std::move(request), fail(Errc::cancelled), true);
        }
        self->flush();
    });
}

void Multiplexer::abandon() {
    std::vector<RequestPtr> incoming;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        incoming.swap(incoming_);
    }
    const auto sent = queue_.take_sent();
    const auto waiting = queue_.take_waiting();
}

// --- In the strand ---

void Multiplexer::drain() {
    {
        const std::lock_guard lock(mutex_);
        drained_.swap(incoming_);
        flush_scheduled_ = false;
    }
    for (auto& request : drained_) queue_.push(std::move(request));
    drained_.clear();
}

void Multiplexer::flush() {
    drain();
    if (queue_.empty()) return;
    switch (phase_) {
        case Phase::idle:
            phase_ = Phase::connecting;
            net::co_spawn(strand_, run(shared_from_this()), net::detached);
            break;
        case Phase::connecting:
            break;
        case Phase::up:
            pump();
            break;
        case Phase::backing_off:
            fail_waiting(down());
            break;
        case Phase::closed:
            fail_waiting(fail(Errc::closed));
            break;
    }
    watch();
}

void Multiplexer::pump() {
    if (phase_ != Phase::up || session_->writing() || !queue_.has_waiting()) return;
    if (!queue_.has_sent()) quiet_since_ = Clock::now();
    auto& bytes = session_->outgoing();
    queue_.send(bytes, write_size);
    pending_bytes_ -= bytes.size();
    session_->write([self = shared_from_this(),
                     session = session_.get()](boost::system::error_code ec) {
        // A session lives until its write has ended, although it may have been lost.
        if (ec)
            session->abort(fail(Errc::unavailable, "send: " + ec.message()));
        else
            self->pump();
    });
}

void Multiplexer::finish(RequestPtr request, Failure failure, bool was_waiting) {
    // A request that was sent keeps its place until its answer comes.
    if (was_waiting) {
        --in_flight_;
        pending_bytes_ -= request->wire.bytes().size();
    }
    request->complete(std::move(failure));
}

void Multiplexer::fail_waiting(const Failure& failure) {
    for (auto& request : queue_.take_waiting()) finish(std::move(request), failure, true);
}

Failure Multiplexer::down() const {
    return last_failure_.value_or(fail(Errc::unavailable, "not connected in time"));
}

void Multiplexer::watch() {
    auto at = queue_.next_deadline().value_or(TimePoint::max());
    if (phase_ == Phase::up && queue_.has_sent()) {
        at = std::min(at, quiet_since_ + options_.silence_limit);
    }
    if (at >= watch_at_) return;
    watch_at_ = at;
    watch_.expires_at(at);
    watch_.async_wait([self = shared_from_this()](boost::system::error_code ec) {
        if (!ec) self->on_watch();
    });
}

void Multiplexer::on_watch() {
    watch_at_ = TimePoint::max();
    const auto now = Clock::now();
    auto given_up = queue_.expire(now);
    timeouts_ += given_up.sent.size() + given_up.waiting.size();
    for (auto& request : given_up.sent) {
        finish(std::move(request), fail(Errc::timed_out_in_doubt), false);
    }
    for (auto& request : given_up.waiting) {
        finish(
            std::move(request), phase_ == Phase::up ? fail(Errc::timed_out) : down(), true
        );
    }
    const bool silent = phase_ == Phase::up && queue_.has_sent() &&
                        now >= quiet_since_ + options_.silence_limit;
    if (silent)
        session_->abort(fail(Errc::unavailable, "the server fell silent"));
    else
        watch();
}

void Multiplexer::shut() {
    drain();
    phase_ = Phase::closed;
    fail_waiting(fail(Errc::closed));
    backoff_.cancel();
    watch_.cancel();
    if (session_) session_->abort(fail(Errc::closed, "the connection was closed"));
}

net::awaitable<void> Multiplexer::run(std::shared_ptr<Multiplexer> self) {
    while (self->phase_ != Phase::closed) {
        self->phase_ = Phase::connecting;
        auto session =
            std::make_shared<Session>(self->strand_, self->options_, self->tls_);
        self->session_ = session;
        Failure failure;
        try {
            failure = co_await self->serve(session);
        } catch (const std::exception& e) {
            failure = fail(Errc::internal, e.what());
        }
        self->lose(failure);
        if (self->phase_ == Phase::closed || self->failures_ == 0) continue;
        self->phase_ = Phase::backing_off;
        self->fail_waiting(self->down());
        self->backoff_.expires_after(
            self->reconnect_.delay(self->failures_, self->random_())
        );
        co_await self->backoff_.async_wait(net::as_tuple(net::use_awaitable));
    }
}

net::awaitable<Failure> Multiplexer::serve(std::shared_ptr<Session> session) {
    std::vector<std::vector<std::string>> preloads;
    {
        const std::lock_guard lock(mutex_);
        preloads = preloads_;
    }
    auto opened = co_await session->open(preloads);
    if (!opened) co_return opened.error();
    if (phase_ == Phase::closed) co_return fail(Errc::closed);
    phase_ = Phase::up;
    answered_ = false;
    last_failure_.reset();
    connected_ = true;
    ++connects_;
    pump();
    watch();
    for (;;) {
        auto failure = answer_all(*session);
        if (failure) co_return std::move(*failure);
        failure = co_await session->receive();
        if (failure) co_return std::move(*failure);
        quiet_since_ = Clock::now();
    }
}

std::optional<Failure> Multiplexer::answer_all(Session& session) {
    for (;;) {
        auto reply = session.replies().next();
        if (!reply) return reply.error();
        if (!*reply) return std::nullopt;
        if (!queue_.has_sent()) {
            return fail(Errc::protocol_error, "an answer that nobody asked for");
        }
        answered_ = true;
        --in_flight_;
        if (auto request = queue_.answer()) request->complete(std::move(**reply));
    }
}

void Multiplexer::lose(const Failure& failure) {
    session_->abort(failure);
    session_.reset();
    if (connected_.exchange(false)) ++losses_;
    // A server that greets and never answers is not worth hurrying back to.
    failures_ = std::exchange(answered_, false) ? 0 : failures_ + 1;
    last_failure_ = failure;
    auto sent = queue_.take_sent();
    in_flight_ -= sent.size();
    // The reply that broke the protocol belongs to the first of them.
    bool broken = failure == Errc::protocol_error;
    for (auto& request : sent) {
        auto reason = broken ? failure : fail(Errc::connection_lost, failure.detail);
        if (request) request->complete(std::move(reason));
        broken = false;
    }
}

}  // namespace resilience::redis::detail
