// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_REQUEST_QUEUE_HPP
#define RESILIENCE_SRC_REDIS_REQUEST_QUEUE_HPP

#include "wire.hpp"

#include <resilience/asio/result.hpp>
#include <resilience/clock.hpp>
#include <resilience/redis/reply.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace resilience::redis::detail {

/// One command and what is to be done with its answer.
class Request {
public:
    Request(Wire command, std::uint64_t key)
        : wire(std::move(command)), cancel_key(key) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    virtual ~Request() = default;

    /// Called once, in the connection's strand. Runs none of the caller's code itself.
    virtual void complete(Result<Reply> result) = 0;

    Wire wire;
    /// Requests with the same key are cancelled together.
    std::uint64_t cancel_key;
    /// Set when the request is accepted.
    TimePoint deadline{};
};

using RequestPtr = std::unique_ptr<Request>;

/** The requests of one connection, first those that were sent, then those that wait.

    A request that is given up after it was sent leaves an empty place, so that its late
    answer is matched and dropped. Deadlines never decrease from one push to the next, so
    the next one to pass is always at the front.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class RequestQueue {
public:
    void push(RequestPtr request) { waiting_.push_back(std::move(request)); }

    bool empty() const noexcept { return sent_.empty() && waiting_.empty(); }
    bool has_sent() const noexcept { return !sent_.empty(); }
    bool has_waiting() const noexcept { return !waiting_.empty(); }

    /// Moves waiting requests to the sent ones and their bytes to the end of `out`, until
    /// `out` holds `max_bytes` or more.
    void send(std::string& out, std::size_t max_bytes);

    /// Takes the request whose turn it is to be answered; empty if it was given up. At
    /// least one must have been sent.
    RequestPtr answer();

    struct GivenUp {
        std::vector<RequestPtr> sent;
        std::vector<RequestPtr> waiting;
    };

    /// Gives up each request whose deadline has passed.
    GivenUp expire(TimePoint now);

    /// Gives up the requests with this key, those that were sent only if `also_sent`.
    GivenUp cancel(std::uint64_t key, bool also_sent);

    /// The next deadline that can pass.
    std::optional<TimePoint> next_deadline() const;

    /// Takes what was sent, in order, empty places included.
    std::vector<RequestPtr> take_sent();

    /// Takes what waits, in order.
    std::vector<RequestPtr> take_waiting();

private:
    struct Sent {
        TimePoint deadline;
        RequestPtr request;
    };
    std::deque<Sent> sent_;
    // How many at the front of `sent_` have expired already.
    std::size_t expired_ = 0;
    std::deque<RequestPtr> waiting_;
};

}  // namespace resilience::redis::detail

#endif
