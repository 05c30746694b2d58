// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_CANCEL_SERVICE_HPP
#define RESILIENCE_SRC_POSTGRES_CANCEL_SERVICE_HPP

#include <libpq-fe.h>

#include <boost/asio/execution_context.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace resilience::postgres {

struct CancelDeleter {
    void operator()(PGcancel* cancel) const noexcept { PQfreeCancel(cancel); }
};
using CancelPtr = std::unique_ptr<PGcancel, CancelDeleter>;

/** Sends cancel requests from one thread of the execution context's own.

    `PQcancel` waits for the server, and the key that a request needs is known to libpq
    alone, so it cannot be sent from here without a thread; Asio's resolver works the same
    way. The thread starts with the first request and is joined with the context. A
    request that hangs is ended by `tcp_user_timeout`.
*/
class CancelService final : public boost::asio::execution_context::service {
public:
    using key_type = CancelService;
    static boost::asio::execution_context::id id;

    explicit CancelService(boost::asio::execution_context& context);
    ~CancelService() override;

    /// Calls `done` from the thread once the request has been handled; false: too many
    /// wait already, and `done` is not called.
    bool send(CancelPtr cancel, std::function<void()> done);

private:
    struct Request {
        CancelPtr cancel;
        std::function<void()> done;
    };

    void shutdown() override;
    void work();

    static constexpr std::size_t capacity = 256;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Request> requests_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace resilience::postgres

#endif
