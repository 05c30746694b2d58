// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_ledger.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::outbox_admin {

bool AuditLedger::expect(DueRow row) {
    if (found_.contains(row.event) || due_.contains(row.event)) return true;
    if (rows() >= most_) return false;
    auto event = row.event;
    due_.emplace(std::move(event), std::move(row));
    return true;
}

bool AuditLedger::found(std::string_view event) {
    std::string key{event};
    if (found_.contains(key)) return true;
    if (due_.erase(key) == 0) return false;
    found_.insert(std::move(key));
    return true;
}

std::vector<DueRow> AuditLedger::missing() const {
    std::vector<DueRow> rows;
    rows.reserve(due_.size());
    for (const auto& [event, row] : due_) rows.push_back(row);
    std::ranges::sort(rows, {}, [](const DueRow& row) {
        return std::pair{row.lane, row.seq};
    });
    return rows;
}

}  // namespace resilience::modules::outbox_admin
