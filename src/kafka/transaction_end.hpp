// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_KAFKA_TRANSACTION_END_HPP
#define RESILIENCE_SRC_KAFKA_TRANSACTION_END_HPP

#include <resilience/error.hpp>

#include <resilience/detail/lane_fault.hpp>

#include "kafka/request_ledger.hpp"

#include <cstdint>

namespace resilience::kafka::detail {

/// How far a transaction had come when it failed.
enum class Stage : std::uint8_t { before, open, ending };

using resilience::detail::is_fault_of_message;

/** What the failure of a transaction says of its effect. Pure.

    REQUIRES: the producer is gone, so that no copy of a request can leave any more (I8).

    @param fenced Whether another owner took over.
*/
inline Failure failure_at(
    Failure failure, Stage stage, bool fenced, const RequestLedger& ledger
) {
    if (fenced) return fail(Errc::fenced, failure.detail);
    if (stage == Stage::ending && ledger.is_end_sent()) {
        const bool late = failure == Errc::timed_out;
        return fail(
            late ? Errc::timed_out_in_doubt : Errc::connection_lost,
            failure.message() + " (" + ledger.text() + ')'
        );
    }
    if (stage == Stage::ending ||
        !(is_fault_of_message(failure) || is_retryable(failure.code))) {
        return fail(Errc::aborted, failure.message());
    }
    return failure;
}

}  // namespace resilience::kafka::detail

#endif
