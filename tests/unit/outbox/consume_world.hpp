// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_CONSUME_WORLD_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_CONSUME_WORLD_HPP

#include <resilience/consume_once.hpp>
#include <resilience/testing/virtual_time.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

// A topic, a consumer and a database in memory, which fail when they are told to.
namespace consume_tests {

using namespace resilience;
using namespace std::chrono_literals;

struct Record {
    std::size_t offset = 0;
    std::vector<Header> headers;
    std::string value;
};

inline std::size_t offsets_after(std::span<const Record> records) {
    return records.back().offset + 1;
}

class Consumer {
public:
    net::awaitable<Result<std::vector<Record>>> poll(
        std::size_t max, std::chrono::milliseconds
    ) {
        if (rewinding_) next_ = committed;
        rewinding_ = false;
        const auto end = std::min(log.size(), next_ + max);
        std::vector<Record> records{
            log.begin() + static_cast<std::ptrdiff_t>(next_),
            log.begin() + static_cast<std::ptrdiff_t>(end)};
        next_ = end;
        co_return records;
    }
    net::awaitable<Result<void>> commit(std::size_t next) {
        ++commits;
        if (commit_fails) co_return *std::exchange(commit_fails, std::nullopt);
        committed = next;
        co_return Result<void>{};
    }
    void rewind() noexcept { rewinding_ = true; }

    /// Adds a record of an event.
    void add(const std::string& id) { log.push_back({log.size(), {{"ce_id", id}}, id}); }

    std::vector<Record> log;
    std::size_t committed = 0;
    int commits = 0;
    std::optional<Failure> commit_fails;

private:
    std::size_t next_ = 0;
    bool rewinding_ = false;
};

struct Database {
    std::set<std::pair<std::string, std::string>> taken;
    std::vector<std::string> effects;
    /// What the next transactions fail with at their end, and whether they are committed
    /// all the same.
    std::deque<std::pair<Failure, bool>> ends;
    int begun = 0;
};

struct Transaction {
    Database& database;
    std::set<std::pair<std::string, std::string>> taken = {};
    std::vector<std::string> effects = {};
};

inline net::awaitable<Result<bool>> take_event(
    Transaction& transaction, Result<InboxRow> row
) {
    if (!row) co_return row.error();
    std::pair key{row->consumer, row->event_id};
    if (transaction.database.taken.contains(key)) co_return false;
    co_return transaction.taken.insert(key).second;
}

template <class Work>
std::invoke_result_t<Work&, Transaction&> with_transaction(
    Database& database, Work work
) {
    ++database.begun;
    Transaction transaction{database};
    auto result = co_await work(transaction);
    if (!result) co_return result;
    std::optional<std::pair<Failure, bool>> end;
    if (!database.ends.empty()) {
        end = database.ends.front();
        database.ends.pop_front();
    }
    if (!end || end->second) {
        database.taken.merge(transaction.taken);
        for (auto& effect : transaction.effects) database.effects.push_back(effect);
    }
    if (end) co_return end->first;
    co_return result;
}

/// Writes the record's value, unless it is told to fail.
struct WriteValue {
    std::map<std::string, std::deque<Failure>>* failures;

    net::awaitable<Result<void>> operator()(Transaction& in, const Record& record) const {
        in.effects.push_back(record.value);
        auto& planned = (*failures)[record.value];
        if (planned.empty()) co_return Result<void>{};
        auto failure = planned.front();
        planned.pop_front();
        co_return failure;
    }
};

class World {
public:
    World() {
        options.retry.jitter = Jitter::none;
        for (const char* id : {"a", "b", "c"}) consumer.add(id);
    }

    template <class Handle, class Poison = HaltOnPoison>
    Result<ConsumedBatch> consume(Handle handle, Poison poison = {}) {
        std::optional<Result<ConsumedBatch>> result;
        std::exception_ptr error;
        net::co_spawn(
            context_,
            consume_once(consumer, database, inbox, handle, poison, options),
            net::bind_cancellation_slot(
                cancel.slot(),
                [&](std::exception_ptr thrown, Result<ConsumedBatch> batch) {
                    error = thrown;
                    if (!thrown) result.emplace(std::move(batch));
                }
            )
        );
        time.run();
        if (error) std::rethrow_exception(error);
        return std::move(result.value());
    }
    Result<ConsumedBatch> consume() { return consume(WriteValue{&failures}); }

private:
    net::io_context context_;

public:
    testing::VirtualTime time{context_};
    Consumer consumer;
    Database database;
    Inbox inbox{{.consumer = "test"}};
    ConsumeOptions options;
    net::cancellation_signal cancel;
    /// What the handler fails with, for each value.
    std::map<std::string, std::deque<Failure>> failures;
};

}  // namespace consume_tests

#endif
