// SPDX-License-Identifier: MIT
#include <resilience/postgres/lane_locks.hpp>

#include "lane_lock_numbers.hpp"
#include "outbox_sql.hpp"

#include <resilience/postgres/connection.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace resilience::postgres {
namespace {

Statement once(const char* text, std::vector<Parameter> values = {}) {
    return {text, std::move(values)};
}

}  // namespace

struct LaneLocks::Impl {
    net::any_io_executor executor;
    LaneLocksOptions options;
    // Open only while this instance is a member.
    std::optional<Connection> session;
    std::int64_t outbox = 0;

    void leave() {
        if (session) session->close();
        session.reset();
    }

    // Whatever has failed, nothing is held any more.
    Failure lose(Failure failure) {
        leave();
        return failure;
    }

    net::awaitable<Result<void>> join() {
        leave();
        Connection connection{executor, options.connection};
        const auto opened = co_await connection.async_connect(net::use_awaitable);
        if (!opened) co_return opened.error();
        std::vector<Statement> statements;
        statements.push_back(once(sql::lane_session));
        statements.push_back(once(sql::lane_table));
        const auto rows =
            co_await connection.async_pipeline(std::move(statements), net::use_awaitable);
        if (!rows) co_return rows.error();
        const auto row = rows->back()[0];
        if (row.is_null(0)) {
            co_return fail(Errc::bad_destination, "there is no table outbox_events");
        }
        const auto number = row.int64(0);
        if (!number) co_return number.error();
        outbox = *number;
        // One that does not fit must not even for a moment be seen by those that do.
        const auto locks = co_await connection.async_execute(
            sql::lane_census, parameters(outbox), net::use_awaitable
        );
        if (!locks) co_return locks.error();
        const auto others = read(*locks);
        if (!others) co_return others.error();
        const auto joined = co_await connection.async_execute(
            sql::lane_join, parameters(outbox, -options.lanes), net::use_awaitable
        );
        if (!joined) co_return joined.error();
        const auto granted = (*joined)[0].boolean(0);
        if (!granted) co_return granted.error();
        if (!*granted) {
            co_return fail(
                Errc::unavailable, "somebody keeps the lock of the members for itself"
            );
        }
        session.emplace(std::move(connection));
        co_return Result<void>{};
    }

    struct Seen {
        LaneCensus census;
        // Whether this session is among the members.
        bool is_member = false;
    };

    // What the locks say, also to one that has not joined.
    Result<Seen> read(const Rows& rows) const {
        Seen seen{.census = {.members = 0, .held = {}, .free = {}}};
        LaneCensus& census = seen.census;
        std::vector<bool> taken(static_cast<std::size_t>(options.lanes));
        for (const auto row : rows) {
            const auto number = row.int64(0);
            if (!number) return number.error();
            const auto own = row.boolean(1);
            if (!own) return own.error();
            if (*number >= first_member) {
                const auto lanes = end_of_members - *number;
                if (lanes != options.lanes) {
                    return fail(
                        Errc::invalid_request,
                        "lanes: another instance has " + std::to_string(lanes) +
                            " of them, this one " + std::to_string(options.lanes)
                    );
                }
                ++census.members;
                seen.is_member = seen.is_member || *own;
            } else if (*number < options.lanes) {
                taken[static_cast<std::size_t>(*number)] = true;
                if (*own) census.held.push_back(static_cast<int>(*number));
            }
        }
        for (int lane = 0; lane < options.lanes; ++lane) {
            if (!taken[static_cast<std::size_t>(lane)]) census.free.push_back(lane);
        }
        return seen;
    }

    net::awaitable<Result<LaneCensus>> look() {
        if (!session) {
            const auto joined = co_await join();
            if (!joined) co_return joined.error();
        }
        const auto rows = co_await session->async_execute(
            sql::lane_census, parameters(outbox), net::use_awaitable
        );
        if (!rows) co_return rows.error();
        const auto seen = read(*rows);
        if (!seen) co_return seen.error();
        if (!seen->is_member) {
            co_return fail(
                Errc::invalid_request,
                "the session has lost its locks: a pooler that changes sessions must not "
                "be between"
            );
        }
        co_return seen->census;
    }

    // Asks for something about one lane; the server says yes or no.
    net::awaitable<Result<bool>> ask(const char* statement, int lane) {
        if (!session) co_return fail(Errc::unavailable, "not a member");
        if (lane < 0 || lane >= options.lanes) {
            co_return fail(Errc::invalid_request, "lane: is out of range");
        }
        const auto rows = co_await session->async_execute(
            statement, parameters(outbox, lane), net::use_awaitable
        );
        if (!rows) co_return rows.error();
        co_return (*rows)[0].boolean(0);
    }
};

LaneLocks::LaneLocks(net::any_io_executor executor, LaneLocksOptions options) {
    if (options.lanes < 1 || options.lanes > 64) {
        throw std::invalid_argument("LaneLocksOptions::lanes must be 1 to 64");
    }
    // Names the option of the connection that is out of range.
    const Connection checked{executor, options.connection};
    impl_ = std::make_unique<Impl>();
    impl_->executor = std::move(executor);
    impl_->options = std::move(options);
}

LaneLocks::~LaneLocks() = default;

net::awaitable<Result<LaneCensus>> LaneLocks::look() {
    auto census = co_await impl_->look();
    if (!census) co_return impl_->lose(std::move(census).error());
    co_return std::move(*census);
}

net::awaitable<Result<bool>> LaneLocks::take(int lane) {
    const auto taken = co_await impl_->ask(sql::lane_take, lane);
    if (!taken) co_return impl_->lose(taken.error());
    co_return *taken;
}

net::awaitable<Result<void>> LaneLocks::give_up(int lane) {
    const auto given = co_await impl_->ask(sql::lane_give_up, lane);
    if (!given) co_return impl_->lose(given.error());
    if (!*given) {
        co_return impl_->lose(
            fail(Errc::invalid_request, "lane " + std::to_string(lane) + ": was not held")
        );
    }
    co_return Result<void>{};
}

void LaneLocks::leave() { impl_->leave(); }

}  // namespace resilience::postgres
