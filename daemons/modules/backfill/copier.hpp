// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKFILL_COPIER_HPP
#define RESILIENCE_MODULES_BACKFILL_COPIER_HPP

#include <modules/backfill/store.hpp>

#include <string>

namespace resilience::modules::backfill {

/** Copies the events that a request asks for, chunk after chunk.

    The position is written in the transaction of the events. So a run that was killed
    goes on where it stopped when the same request is made again, several processes with
    one request share its run, and no event is written twice.

    @par Object lifetimes
    The store must outlive it.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class Copier {
public:
    /// @param request Normalised.
    Copier(Store& store, Request request, Outbox outbox);

    /** Copies the next chunk.

        @return What was committed, until a chunk says that it is finished.

        @par Errors
        Those of the store. Nothing of the chunk was written, unless the error is in
        doubt; the call may be made again.
    */
    net::awaitable<Result<Chunk>> copy_next();

private:
    net::awaitable<Result<Chunk>> open_chunk(Tables& tables) const;
    net::awaitable<Result<Chunk>> copy_chunk(Tables& tables) const;

    Store& store_;
    Request request_;
    Outbox outbox_;
    // The run that it works on; empty until its first chunk was committed.
    std::string run_id_;
};

}  // namespace resilience::modules::backfill

#endif
