// SPDX-License-Identifier: MIT
#include <resilience/postgres/pool.hpp>

#include <resilience/asio/detail/run_on.hpp>

#include "pool_impl.hpp"

namespace resilience::postgres {

Pool::Pool(executor_type executor, PoolOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options))) {
    impl_->start();
}

Pool::~Pool() { close(); }

Pool::executor_type Pool::get_executor() const { return impl_->outer; }

void Pool::acquire(const std::shared_ptr<Impl>& impl, Handler<PooledConnection> handler) {
    auto work = [](std::shared_ptr<Impl> kept
                ) -> net::awaitable<Result<PooledConnection>> {
        co_return co_await kept->acquire();
    };
    resilience::detail::run_on<PooledConnection>(
        impl->strand, work(impl), std::move(handler)
    );
}

void Pool::close() { impl_->close(); }

PoolStats Pool::stats() const {
    const std::lock_guard lock{impl_->stats_mutex};
    return impl_->stats;
}

PooledConnection::PooledConnection(
    std::shared_ptr<Pool::Impl> pool, Connection connection
) noexcept
    : pool_(std::move(pool)), connection_(std::move(connection)) {}

PooledConnection& PooledConnection::operator=(PooledConnection&& other) noexcept {
    if (this != &other) {
        give_back();
        pool_ = std::move(other.pool_);
        connection_ = std::move(other.connection_);
    }
    return *this;
}

PooledConnection::~PooledConnection() { give_back(); }

void PooledConnection::give_back() noexcept {
    if (const auto pool = std::move(pool_)) pool->give_back(connection_.session_);
}

}  // namespace resilience::postgres
