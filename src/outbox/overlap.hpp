// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_OVERLAP_HPP
#define RESILIENCE_SRC_OUTBOX_OVERLAP_HPP

#include <resilience/lane_relay.hpp>
#include <resilience/lane_sink.hpp>
#include <resilience/window_source.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>
#include <vector>

namespace resilience::detail {

/// What became of a commit and of the read beside it.
struct Overlapped {
    Result<void> committed;
    Result<std::vector<WindowEvent>> rows;
};

/// Commits a chunk and reads a slice at the same time; ends when both have.
inline net::awaitable<Overlapped> commit_and_read(
    net::strand<net::any_io_executor> strand,
    LaneSink& sink,
    const CommittedChunk& chunk,
    WindowSource& source,
    const WindowSlice& slice
) {
    auto both = net::experimental::make_parallel_group(
        net::co_spawn(strand, sink.commit(chunk.events, chunk.position), net::deferred),
        net::co_spawn(strand, source.read(slice), net::deferred)
    );
    auto [order, commit_error, done, read_error, rows] =
        co_await both.async_wait(net::experimental::wait_for_all(), net::use_awaitable);
    if (commit_error) std::rethrow_exception(commit_error);
    if (read_error) std::rethrow_exception(read_error);
    co_return Overlapped{std::move(done), std::move(rows)};
}

}  // namespace resilience::detail

#endif
