// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_POSTGRES_LIBPQ_TRANSACTION_HPP
#define RESILIENCE_POSTGRES_LIBPQ_TRANSACTION_HPP

#include <resilience/outbox.hpp>

struct pg_conn;

namespace resilience::postgres {

/** Names the transaction that is open on a `PGconn*` of the caller's.

    For programs that use libpq themselves: `outbox.append(transaction, event)` writes
    into it, blocking, and never begins or ends it.

    @par Thread safety
    That of the `PGconn`: one thread at a time.

    @par Object lifetimes
    The connection must outlive it.
*/
struct LibpqTransaction {
    pg_conn* connection = nullptr;
};

/** Writes a row of `outbox_events`; called by `Outbox::append`.

    @par Errors
    @li Errc::invalid_request No transaction is open, it has failed, the connection is
        busy or in pipeline mode, or its `client_encoding` is not UTF8. Nothing was sent.
    @li Errc::unavailable There is no connection, or it is broken.
    @li Errc::connection_lost It broke.
    @li Those of @ref errc_of_sqlstate. The caller's transaction has failed.
*/
Result<Uuid> append_row(LibpqTransaction& transaction, Result<OutboxRow> row);

}  // namespace resilience::postgres

#endif
