// SPDX-License-Identifier: MIT
#include <modules/backfill/copier.hpp>

#include <utility>

namespace resilience::modules::backfill {

Copier::Copier(Store& store, Request request, Outbox outbox)
    : store_(store), request_(std::move(request)), outbox_(std::move(outbox)) {}

net::awaitable<Result<Chunk>> Copier::copy_next() {
    const Store::Work work = [this](Tables& tables) { return copy_chunk(tables); };
    auto chunk = co_await store_.in_transaction(work);
    if (chunk) run_id_ = chunk->run.id;
    co_return chunk;
}

// The run of the request, which is begun if there is none. When it is known and has gone,
// another process has finished it.
net::awaitable<Result<Chunk>> Copier::open_chunk(Tables& tables) const {
    const auto request = fingerprint(request_);
    auto run = co_await tables.find_run(request);
    if (!run) co_return run.error();
    const bool resumed = run_id_.empty() && run->has_value();
    if (run_id_.empty() && !resumed) {
        const auto made = co_await tables.insert_run(request);
        if (!made) co_return made.error();
        run = co_await tables.find_run(request);
        if (!run) co_return run.error();
    }
    const bool gone = !run->has_value() || (!run_id_.empty() && (*run)->id != run_id_);
    Chunk chunk{.run = {.id = run_id_}, .finished = gone};
    if (gone) co_return chunk;
    chunk.run = std::move(**run);
    chunk.resumed = resumed;
    co_return chunk;
}

net::awaitable<Result<Chunk>> Copier::copy_chunk(Tables& tables) const {
    auto chunk = co_await open_chunk(tables);
    if (!chunk || chunk->finished) co_return chunk;
    auto& run = chunk->run;
    const auto wanted = rows_wanted(run, request_);
    const auto end = co_await tables.look_ahead(run.last_seq, run.max_seq, request_.scan);
    if (!end) co_return end.error();
    const Range range{.after = run.last_seq, .up_to = *end};
    auto events = co_await tables.select_events(range, request_, wanted);
    if (!events) co_return events.error();
    for (auto& past : *events) {
        run.last_seq = past.seq;
        const auto id = past.event.id;
        auto copy = outbox_.prepare(copy_of(std::move(past.event), request_));
        if (!copy) {
            // Written by hand, perhaps; it must not hold up those behind it.
            chunk->left_out.push_back({id, copy.error().message()});
            continue;
        }
        const auto written = co_await tables.append(std::move(*copy));
        if (!written) co_return written.error();
        ++run.emitted;
        ++chunk->copied;
    }
    // Then nothing is left of the stretch.
    if (static_cast<std::int64_t>(events->size()) < wanted) run.last_seq = range.up_to;
    chunk->finished = is_finished(run, request_, wanted, events->size());
    const auto saved = co_await tables.save_run(run, chunk->finished);
    if (!saved) co_return saved.error();
    co_return chunk;
}

}  // namespace resilience::modules::backfill
