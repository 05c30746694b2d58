// SPDX-License-Identifier: MIT
#include "pool_impl.hpp"

#include "connect_parameters.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <stdexcept>

namespace resilience::postgres {
namespace {

const PoolOptions& checked(const PoolOptions& options) {
    using namespace std::chrono_literals;
    validate(options.connection);
    const auto require = [](bool good, const char* rule) {
        if (!good) throw std::invalid_argument(rule);
    };
    require(options.max_size >= 1, "max_size: must be at least 1");
    require(options.min_size <= options.max_size, "min_size: is more than max_size");
    require(options.acquire_timeout > 0ms, "acquire_timeout: must be positive");
    require(options.idle_lifetime >= 1s, "idle_lifetime: must be at least 1 s");
    return options;
}

// A caller of the pool waited for a server, not for the pool.
Failure as_unavailable(Failure failure) {
    if (failure == Errc::timed_out) failure.code = Errc::unavailable;
    return failure;
}

}  // namespace

Pool::Impl::Impl(net::any_io_executor executor, PoolOptions chosen)
    : outer(executor),
      strand(net::make_strand(executor)),
      options(checked(chosen)),
      policy(options.reconnect),
      random(options.seed != 0 ? options.seed : std::random_device{}()),
      upkeep(strand) {}

net::awaitable<Result<PooledConnection>> Pool::Impl::acquire() {
    co_await net::this_coro::reset_cancellation_state(net::enable_total_cancellation());
    co_await net::this_coro::throw_if_cancelled(false);
    if (closed) co_return fail(Errc::closed, "the pool is closed");
    if (auto session = take_idle()) {
        publish();
        co_return PooledConnection{shared_from_this(), Connection{std::move(session)}};
    }
    const bool dialled = opening <= waiting.size() && dial();
    if (down() && !dialled && in_use() == 0) {
        co_return as_unavailable(last_failure);
    }
    // Who waits for a connection that is being opened does not stand in the queue.
    if (waiting.size() >= options.max_waiting + opening) {
        {
            const std::lock_guard lock{stats_mutex};
            ++stats.refused;
        }
        co_return fail(Errc::queue_full, "too many callers wait for a connection");
    }
    const auto self = std::make_shared<Waiter>(Waiter{net::steady_timer{strand}, {}});
    self->timer.expires_after(options.acquire_timeout);
    waiting.push_back(self);
    publish();
    co_await self->timer.async_wait(net::as_tuple(net::use_awaitable));
    if (self->answer) co_return std::move(*self->answer);

    std::erase(waiting, self);
    {
        const std::lock_guard lock{stats_mutex};
        ++stats.refused;
    }
    publish();
    const auto state = co_await net::this_coro::cancellation_state;
    if (state.cancelled() != net::cancellation_type::none) {
        co_return fail(Errc::cancelled);
    }
    co_return fail(
        Errc::timed_out,
        "no connection came free within " +
            std::to_string(options.acquire_timeout.count()) + " ms"
    );
}

std::shared_ptr<Session> Pool::Impl::take_idle() {
    while (!idle.empty()) {
        auto session = std::move(idle.back().session);
        idle.pop_back();
        if (session->healthy()) return session;
        --size;
    }
    return nullptr;
}

bool Pool::Impl::may_dial() const {
    if (closed || size >= options.max_size) return false;
    return !down() || (opening == 0 && Clock::now() >= retry_at);
}

bool Pool::Impl::dial() {
    if (!may_dial()) return false;
    ++size;
    ++opening;
    net::co_spawn(
        strand,
        [](std::shared_ptr<Impl> self) -> net::awaitable<void> {
            co_await self->open_one();
        }(shared_from_this()),
        net::detached
    );
    return true;
}

void Pool::Impl::dial_for_waiters() {
    while (opening < waiting.size() && dial()) {
    }
}

net::awaitable<void> Pool::Impl::open_one() {
    auto session = std::make_shared<Session>(outer, options.connection);
    Connection connection{session};
    auto opened = co_await connection.async_connect(net::use_awaitable);
    --opening;
    {
        const std::lock_guard lock{stats_mutex};
        ++(opened ? stats.connects : stats.connect_failures);
    }
    if (opened) {
        failures = 0;
        last_failure = {};
        keep(std::move(session));
        dial_for_waiters();
    } else {
        ++failures;
        last_failure = std::move(opened).error();
        retry_at = Clock::now() + policy.delay(failures, random());
        drop();
    }
    maintain();
}

// A connection that ended: its place may be taken by a new one, and who waits while there
// is no hope is told so.
void Pool::Impl::drop() {
    --size;
    dial_for_waiters();
    if (down() && in_use() == 0 && opening == 0) {
        refuse_all(as_unavailable(last_failure));
    }
    publish();
}

void Pool::Impl::keep(std::shared_ptr<Session> session) {
    if (closed) {
        session->close();
        --size;
    } else if (!waiting.empty()) {
        answer_first(PooledConnection{shared_from_this(), Connection{std::move(session)}}
        );
    } else {
        idle.push_back({std::move(session), Clock::now()});
    }
    publish();
}

void Pool::Impl::give_back(std::shared_ptr<Session> session) noexcept {
    net::post(
        strand,
        [self = shared_from_this(), session = std::move(session)]() mutable {
            self->take_back(std::move(session));
            self->maintain();
        }
    );
}

void Pool::Impl::take_back(std::shared_ptr<Session> session) {
    if (session->busy() || !session->is_open()) {
        // An operation that its caller has abandoned cannot be told from the next one's.
        session->close();
        drop();
    } else if (session->clean()) {
        keep(std::move(session));
    } else {
        net::co_spawn(
            strand,
            [](std::shared_ptr<Impl> self,
               std::shared_ptr<Session> dirty) -> net::awaitable<void> {
                co_await self->clean_up(std::move(dirty));
            }(shared_from_this(), std::move(session)),
            net::detached
        );
    }
}

net::awaitable<void> Pool::Impl::clean_up(std::shared_ptr<Session> session) {
    auto work = [](std::shared_ptr<Session> kept) -> net::awaitable<void> {
        co_await kept->reset();
    };
    co_await net::co_spawn(session->executor(), work(session), net::use_awaitable);
    if (session->is_open()) {
        keep(std::move(session));
    } else {
        drop();
    }
    maintain();
}

void Pool::Impl::answer_first(Result<PooledConnection> answer) {
    const auto first = std::move(waiting.front());
    waiting.pop_front();
    first->answer.emplace(std::move(answer));
    first->timer.cancel();
}

void Pool::Impl::refuse_all(const Failure& failure) {
    while (!waiting.empty()) answer_first(failure);
}

void Pool::Impl::start() {
    net::post(strand, [self = shared_from_this()] { self->maintain(); });
}

// Closes what was unused for too long, opens what is missing, and comes back when the
// next of these is due.
void Pool::Impl::maintain() {
    if (closed) return;
    const auto now = Clock::now();
    while (!idle.empty() && size > options.min_size &&
           now - idle.front().since >= options.idle_lifetime) {
        idle.front().session->close();
        idle.pop_front();
        --size;
    }
    while (size < options.min_size && dial()) {
    }
    publish();

    auto next = TimePoint::max();
    if (!idle.empty() && size > options.min_size) {
        next = idle.front().since + options.idle_lifetime;
    }
    if (size < options.min_size) next = std::min(next, retry_at);
    if (next == TimePoint::max()) {
        upkeep.cancel();
        return;
    }
    upkeep.expires_at(next);
    upkeep.async_wait([weak = weak_from_this()](auto error) {
        if (error) return;
        if (const auto self = weak.lock()) self->maintain();
    });
}

void Pool::Impl::close() {
    net::dispatch(strand, [self = shared_from_this()] {
        self->closed = true;
        self->upkeep.cancel();
        for (auto& unused : self->idle) unused.session->close();
        self->size -= self->idle.size();
        self->idle.clear();
        self->refuse_all(fail(Errc::closed, "the pool is closed"));
        self->publish();
    });
}

void Pool::Impl::publish() {
    const std::lock_guard lock{stats_mutex};
    stats.size = size;
    stats.idle = idle.size();
    stats.waiting = waiting.size();
    stats.down = down();
    stats.reason = down() ? last_failure.message() : std::string{};
}

}  // namespace resilience::postgres
