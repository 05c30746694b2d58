// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_MULTIPLEXER_HPP
#define RESILIENCE_SRC_REDIS_MULTIPLEXER_HPP

#include "request_queue.hpp"
#include "session.hpp"

#include <resilience/asio/initiate.hpp>
#include <resilience/redis/connection.hpp>
#include <resilience/retry_policy.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace resilience::redis::detail {

class Multiplexers;

/** Sends the requests of many callers over one connection and keeps that connection.

    Callers hand requests in from any thread; everything else happens in one strand.
*/
class Multiplexer : public std::enable_shared_from_this<Multiplexer> {
public:
    Multiplexer(net::any_io_executor executor, ConnectionOptions options);
    Multiplexer(const Multiplexer&) = delete;
    Multiplexer& operator=(const Multiplexer&) = delete;
    ~Multiplexer();

    const net::any_io_executor& executor() const noexcept { return executor_; }

    /// A key for the requests of one operation.
    std::uint64_t next_cancel_key() noexcept { return cancel_keys_.fetch_add(1); }

    /// Lets the caller's slot cancel what carries `key`.
    template <class Slot>
    void cancel_through(Slot slot, std::uint64_t key) {
        if (!slot.is_connected()) return;
        slot.assign([weak = weak_from_this(), key](net::cancellation_type type) {
            if (auto self = weak.lock()) self->cancel(key, type);
        });
    }

    /// Accepts all the requests or none; the ones that are not accepted are completed
    /// with the reason. Callable from any thread.
    void submit(std::vector<RequestPtr> requests);
    void submit(RequestPtr request);

    /// A command that is sent on each connect from now on; its answer is ignored.
    void preload(std::vector<std::string> command);

    void close();
    ConnectionSnapshot snapshot() const;

    /// Destroys what waits, without completing it: the execution context is going.
    void abandon();

private:
    enum class Phase : std::uint8_t { idle, connecting, up, backing_off, closed };

    static net::awaitable<void> run(std::shared_ptr<Multiplexer> self);
    net::awaitable<Failure> serve(std::shared_ptr<Session> session);
    std::optional<Failure> answer_all(Session& session);
    void lose(const Failure& failure);

    bool accept(std::size_t count, std::size_t bytes, std::optional<Failure>& refusal);
    void enqueue(std::span<RequestPtr> requests, std::optional<Failure>& refusal);
    void refuse(RequestPtr request, Failure failure);
    void flush();
    void drain();
    void pump();
    void cancel(std::uint64_t key, net::cancellation_type type);
    void finish(RequestPtr request, Failure failure, bool was_waiting);
    void fail_waiting(const Failure& failure);
    void watch();
    void on_watch();
    Failure down() const;
    void shut();

    using Strand = net::strand<net::any_io_executor>;

    const net::any_io_executor executor_;
    const ConnectionOptions options_;
    const RetryPolicy reconnect_;
    const std::shared_ptr<net::ssl::context> tls_;
    const Strand strand_;

    // Shared by all threads.
    mutable std::mutex mutex_;
    std::vector<RequestPtr> incoming_;
    std::vector<std::vector<std::string>> preloads_;
    bool flush_scheduled_ = false;
    bool closed_ = false;
    std::atomic<std::size_t> in_flight_{0};
    std::atomic<std::size_t> pending_bytes_{0};
    std::atomic<std::uint64_t> cancel_keys_{1};
    std::atomic<bool> connected_{false};
    std::atomic<std::uint64_t> connects_{0};
    std::atomic<std::uint64_t> losses_{0};
    std::atomic<std::uint64_t> timeouts_{0};
    std::atomic<std::uint64_t> refused_{0};

    // Of the strand alone.
    RequestQueue queue_;
    std::vector<RequestPtr> drained_;
    Phase phase_ = Phase::idle;
    std::shared_ptr<Session> session_;
    bool answered_ = false;
    std::uint32_t failures_ = 0;
    std::optional<Failure> last_failure_;
    net::steady_timer backoff_;
    net::steady_timer watch_;
    TimePoint watch_at_ = TimePoint::max();
    TimePoint quiet_since_{};
    std::mt19937_64 random_;
    Multiplexers& registry_;
};

/// A handler that is called once, on its own executor and never inline. The context of
/// that executor stays busy until then.
template <class T>
class Completion {
public:
    Completion(Handler<T> handler, const net::any_io_executor& through)
        : through_(through),
          handler_(std::move(handler)),
          work_(net::make_work_guard(resilience::detail::executor_of(handler_, through_))
          ) {}

    void operator()(Result<T> result) {
        // The handler's erased executor can dispatch but not post, hence the first step.
        auto through = std::move(through_);
        net::post(
            through,
            [self = std::move(*this), value = std::move(result)]() mutable {
                auto executor = self.work_.get_executor();
                net::dispatch(
                    executor,
                    [handler = std::move(self.handler_), value = std::move(value)](
                    ) mutable { std::move(handler)(std::move(value)); }
                );
            }
        );
    }

private:
    using Executor = net::associated_executor_t<Handler<T>, net::any_io_executor>;
    net::any_io_executor through_;
    Handler<T> handler_;
    net::executor_work_guard<Executor> work_;
};

}  // namespace resilience::redis::detail

#endif
