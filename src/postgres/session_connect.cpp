// SPDX-License-Identifier: MIT
#include "connect_parameters.hpp"
#include "session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

namespace resilience::postgres {
namespace {

using Addresses = std::vector<std::string>;

// libpq looks names up while the caller waits, so it is given addresses. The lookup
// itself cannot be interrupted: the timer is what is waited for, and a late answer finds
// nobody.
net::awaitable<Result<Addresses>> resolve(
    net::any_io_executor executor, std::string host, net::steady_timer::time_point until
) {
    struct Answer {
        boost::system::error_code error;
        bool came = false;
        Addresses addresses;
    };
    const auto gate = std::make_shared<net::steady_timer>(executor, until);
    const auto answer = std::make_shared<Answer>();
    const auto resolver = std::make_shared<net::ip::tcp::resolver>(executor);
    resolver->async_resolve(
        host,
        "",
        [gate, answer, resolver](auto error, const auto& results) {
            answer->came = true;
            answer->error = error;
            for (const auto& entry : results) {
                answer->addresses.push_back(entry.endpoint().address().to_string());
            }
            gate->cancel();
        }
    );
    co_await gate->async_wait(net::as_tuple(net::use_awaitable));
    if (!answer->came) co_return fail(Errc::timed_out, host + ": no address in time");
    if (answer->addresses.empty()) {
        co_return fail(Errc::unavailable, host + ": " + answer->error.message());
    }
    co_return std::move(answer->addresses);
}

}  // namespace

Session::Session(net::any_io_executor executor, ConnectionOptions options)
    : outer_(executor),
      strand_(net::make_strand(executor)),
      options_((validate(options), std::move(options))),
      socket_(strand_),
      timer_(strand_),
      cache_(options_.statement_cache_size) {}

net::awaitable<Result<void>> Session::dial() {
    const auto until = timer_.expiry();
    auto parameters = connect_parameters(options_);
    auto hosts = split_hosts(parameters);
    std::vector<HostEntry> found;
    std::optional<Failure> unresolved;
    for (auto& entry : hosts) {
        if (!entry.needs_lookup()) {
            found.push_back(std::move(entry));
            continue;
        }
        auto addresses = co_await resolve(strand_, entry.host, until);
        const auto state = co_await net::this_coro::cancellation_state;
        if (state.cancelled() != net::cancellation_type::none) {
            co_return fail(Errc::cancelled);
        }
        if (interrupt_ == Interrupt::closed) co_return fail(Errc::closed);
        if (!addresses) {
            unresolved = std::move(addresses).error();
            continue;
        }
        for (auto& address : *addresses) {
            found.push_back({entry.host, std::move(address), entry.port});
        }
    }
    if (found.empty() && unresolved) co_return std::move(*unresolved);
    join_hosts(parameters, found);

    std::vector<const char*> keywords;
    std::vector<const char*> values;
    for (const auto& [keyword, value] : parameters) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    connection_ = PQconnectStartParams(keywords.data(), values.data(), 0);
    if (!connection_) co_return fail(Errc::internal, "out of memory");
    PQsetNoticeReceiver(connection_, take_notice, this);
    // Only the verbose text of a failed connection tells the server's code.
    PQsetErrorVerbosity(connection_, PQERRORS_VERBOSE);

    auto step = PQstatus(connection_) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                                        : PGRES_POLLING_WRITING;
    while (step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED) {
            auto failure = connect_failure(message_of(connection_));
            if (PQconnectionNeedsPassword(connection_)) {
                failure.code = Errc::access_denied;
            }
            co_return failure;
        }
        if (!watch()) co_return fail(Errc::unavailable, "no file descriptor is left");
        co_await wait(step == PGRES_POLLING_READING, step == PGRES_POLLING_WRITING);
        if (interrupt_ == Interrupt::cancelled) co_return fail(Errc::cancelled);
        if (interrupt_ == Interrupt::closed) co_return fail(Errc::closed);
        if (interrupt_ == Interrupt::deadline) {
            const auto limit = std::to_string(options_.connect_timeout.count());
            co_return fail(Errc::timed_out, "no connection within " + limit + " ms");
        }
        step = PQconnectPoll(connection_);
    }
    if (!watch()) co_return fail(Errc::unavailable, "no file descriptor is left");
    PQsetErrorVerbosity(connection_, PQERRORS_DEFAULT);
    PQsetnonblocking(connection_, 1);
    cache_.clear();
    abandoned_ = false;
    open_ = true;
    co_return Result<void>{};
}

}  // namespace resilience::postgres
