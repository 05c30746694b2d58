// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_judge.hpp>

#include <resilience/dead_letter.hpp>

#include <algorithm>
#include <utility>

namespace resilience::modules::outbox_admin {

void KeptSpans::removed_before(std::string_view topic, WallClock::time_point since) {
    auto& known = since_.try_emplace(std::string{topic}, since).first->second;
    known = std::max(known, since);
}

std::optional<WallClock::time_point> KeptSpans::kept_since(std::string_view topic) const {
    std::optional<WallClock::time_point> since;
    for (const auto suffix :
         {std::string_view{}, default_dead_letter_suffix, default_park_suffix}) {
        const auto known = since_.find(std::string{topic}.append(suffix));
        if (known == since_.end()) continue;
        since = std::max(since.value_or(known->second), known->second);
    }
    return since;
}

Judged judge(
    std::vector<DueRow> absent,
    const KeptSpans& kept,
    const std::vector<std::string>& named
) {
    Judged judged;
    for (auto& row : absent) {
        const bool was_read =
            named.empty() || std::ranges::find(named, row.topic) != named.end();
        const auto since = kept.kept_since(row.topic);
        const bool may_be_gone = since && row.created < *since;
        auto& rows = !was_read || may_be_gone ? judged.unjudged : judged.missing;
        rows.push_back(std::move(row));
    }
    return judged;
}

Result<void> may_go_on(std::size_t unjudged, UnjudgedWord word) {
    if (unjudged == 0 || word != UnjudgedWord::none) return {};
    return fail(
        Errc::not_found,
        std::to_string(unjudged) +
            " rows cannot be judged, as their topics may have lost them by age or were "
            "not read: without --yes they are listed; give "
            "--count-unjudged-as-delivered, or --deliver-unjudged if no topic ever had "
            "them"
    );
}

}  // namespace resilience::modules::outbox_admin
