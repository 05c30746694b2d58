// SPDX-License-Identifier: MIT
#include "source_identity.hpp"

#include <cstdint>
#include <utility>

namespace resilience::postgres {

Failure history_changed(std::string what) {
    return fail(
        Errc::history_changed,
        "outbox_events: " + std::move(what) +
            ". Compare the table with what was delivered before going on"
    );
}

std::optional<Failure> compare(const SourceIdentity& known, const SourceIdentity& found) {
    if (known == found) return std::nullopt;
    const auto differ = [](const char* what, std::uint64_t was, std::uint64_t is) {
        return history_changed(
            std::string{what} + " is " + std::to_string(is) + ", no longer " +
            std::to_string(was)
        );
    };
    if (known.system_id != found.system_id) {
        return differ("the cluster", known.system_id, found.system_id);
    }
    if (known.timeline != found.timeline) {
        return differ("the timeline", known.timeline, found.timeline);
    }
    if (known.database != found.database) {
        return differ("the database's oid", known.database, found.database);
    }
    return differ("the table's oid", known.table, found.table);
}

Result<SourceIdentity> read_identity(const Row& row) {
    const auto standby = row.boolean(0);
    if (!standby) return standby.error();
    if (*standby) {
        return fail(
            Errc::invalid_request,
            "the server is a standby: the outbox is read from the primary"
        );
    }
    if (row.is_null(5)) {
        return fail(
            Errc::bad_destination, "outbox_events.seq: has no sequence of its own"
        );
    }
    if (row.text(5) != "1") {
        return fail(
            Errc::bad_destination,
            "outbox_events.seq: its sequence has CACHE " + std::string{row.text(5)} +
                ", which breaks the order of events: ALTER TABLE outbox_events ALTER "
                "COLUMN seq SET CACHE 1, then reconnect every writer"
        );
    }
    if (row.text(6) != "t") {
        return fail(
            Errc::bad_destination, "outbox_events.seq: its sequence does not only ascend"
        );
    }
    const auto system_id = row.int64(1);
    if (!system_id) return system_id.error();
    const auto timeline = row.int64(2);
    if (!timeline) return timeline.error();
    const auto database = row.int64(3);
    if (!database) return database.error();
    const auto table = row.int64(4);
    if (!table) return table.error();
    return SourceIdentity{
        static_cast<std::uint64_t>(*system_id),
        static_cast<std::uint32_t>(*timeline),
        static_cast<std::uint32_t>(*database),
        static_cast<std::uint32_t>(*table)};
}

}  // namespace resilience::postgres
