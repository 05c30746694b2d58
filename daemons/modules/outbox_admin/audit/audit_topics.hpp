// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_TOPICS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_TOPICS_HPP

#include <modules/outbox_admin/audit/audit_judge.hpp>
#include <modules/outbox_admin/audit/audit_ledger.hpp>
#include <modules/outbox_admin/audit/audit_rows.hpp>
#include <modules/outbox_admin/outbox/tools.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// An event in a topic that no row has.
struct Phantom {
    std::string event;
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
};

/// What was seen in the topics.
struct TopicsSeen {
    std::uint64_t records = 0;
    std::uint64_t phantoms = 0;
    /// The first ones.
    std::vector<Phantom> phantom_examples;
    /// Where records were removed by age, and some minutes more, as clocks differ.
    KeptSpans kept;
};

/** Reads the topics of a request, their dead letters and parked events whole, and tells
    the ledger which events are there. Of records in the span that the ledger does not
    expect it asks the table whether they have a row.

    A partition of which nothing is left was emptied now, for all that is known.

    @par Errors
    @li Those of @ref kafka::TopicReader and the database.
*/
net::awaitable<Result<TopicsSeen>> look_at_topics(
    const Tools& tools, const AuditSpan& span, AuditLedger& ledger
);

}  // namespace resilience::modules::outbox_admin

#endif
