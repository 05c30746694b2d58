// SPDX-License-Identifier: MIT
#include <host/config.hpp>
#include <modules/backfill/command.hpp>
#include <modules/backfill/copier.hpp>
#include <modules/backing/run.hpp>

#include <cstdio>
#include <iostream>
#include <limits>
#include <utility>

namespace resilience::modules::backfill {
namespace {

void tell(const Chunk& chunk, std::ostream& out) {
    if (chunk.resumed) out << "going on with a run that had not finished\n";
    for (const auto& row : chunk.left_out) {
        out << row.id << " left out: " << row.reason << '\n';
    }
    // Of an empty outbox, and of a run that another process finished, nothing is known.
    if (chunk.run.max_seq > 0) {
        out << chunk.run.emitted << " events written, position " << chunk.run.last_seq
            << " of " << chunk.run.max_seq << '\n';
    }
    out.flush();
}

net::awaitable<Result<void>> copy_all(Copier copier, std::ostream& out) {
    std::int64_t copied = 0;
    for (;;) {
        const auto chunk = co_await copier.copy_next();
        if (!chunk) co_return chunk.error();
        tell(*chunk, out);
        copied += chunk->copied;
        if (!chunk->finished) continue;
        out << "done: " << copied << " events\n";
        co_return Result<void>{};
    }
}

net::awaitable<Result<void>> show(Store& store, Request request, std::ostream& out) {
    const auto summaries = co_await store.summarise(std::move(request));
    if (!summaries) co_return summaries.error();
    std::int64_t total = 0;
    for (const auto& summary : *summaries) {
        total += summary.events;
        out << summary.event_type << ": " << summary.events << " events from "
            << summary.first << " to " << summary.last << '\n';
    }
    out << "dry run: " << total << " events would be written, none was\n";
    co_return Result<void>{};
}

net::awaitable<Result<void>> work_on(
    backing::Database& database, Request request, Outbox outbox
) {
    const auto opened = co_await database.open_file();
    if (!opened) co_return opened.error();
    // Says what to do when the tables are missing.
    const auto ready = co_await database.ping();
    if (!ready) co_return ready.error();
    const auto store = make_store(database);
    co_return co_await perform(*store, std::move(request), std::move(outbox), std::cout);
}

}  // namespace

void declare(host::Config& config, Request& request) {
    config.flag(
        "--dry-run", request.dry_run, "Show what would be written and write nothing"
    );
    config.string(
        "--aggregate-type", request.aggregate_type, "Kind of aggregate, such as user"
    );
    config.topic(
        "--topic", request.topic, "Topic of the copies; default that of the original"
    );
    config.string("--from", request.from, "First moment, such as 2026-01-31T00:00:00Z");
    config.string("--to", request.to, "Moment after the last, in the same form");
    config.integer(
        "--limit",
        request.limit,
        0,
        std::numeric_limits<std::int64_t>::max(),
        "Events at most; 0 for all"
    );
    config.integer(
        "--chunk", request.chunk, 1, 10'000, "Events written in one transaction at most"
    );
    config.integer(
        "--scan", request.scan, 1, 1'000'000, "Rows looked at in one transaction at most"
    );
}

net::awaitable<Result<void>> perform(
    Store& store, Request request, Outbox outbox, std::ostream& out
) {
    if (request.dry_run) {
        co_return co_await show(store, std::move(request), out);
    }
    Copier copier{store, std::move(request), std::move(outbox)};
    co_return co_await copy_all(std::move(copier), out);
}

int run_command(
    Request request,
    const backing::DatabaseSettings& settings,
    const OutboxOptions& options
) {
    if (const auto mistake = normalise(request)) {
        std::fprintf(stderr, "backfill: %s\n", mistake->c_str());
        return 2;
    }
    const Outbox outbox{options};
    return backing::run_to_end("backfill", settings, [&](backing::Database& database) {
        return work_on(database, request, outbox);
    });
}

}  // namespace resilience::modules::backfill
