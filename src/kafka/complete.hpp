// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_COMPLETE_HPP
#define RESILIENCE_SRC_KAFKA_COMPLETE_HPP

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace resilience::kafka::detail {

namespace net = boost::asio;

/// Calls `handler` on its own executor (`executor` when it has none), never inline.
template <class T>
void complete(
    const net::any_io_executor& executor,
    net::any_completion_handler<void(T)> handler,
    T result
) {
    // An erased executor of a handler cannot promise not to run inline; `executor` can.
    auto target = net::get_associated_executor(handler, executor);
    net::post(
        executor,
        net::bind_executor(
            target,
            [handler = std::move(handler), result = std::move(result)]() mutable {
                std::move(handler)(std::move(result));
            }
        )
    );
}

}  // namespace resilience::kafka::detail

#endif
