// SPDX-License-Identifier: MIT
// What relays decide of failures and rows, without waiting.
#include <resilience/lane_relay.hpp>
#include <resilience/relay.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace resilience {

bool blames_rows(const Failure& failure) noexcept {
    return !is_retryable(failure.code) && !(failure == Errc::cancelled) &&
           !(failure == Errc::cancelled_in_doubt) && !(failure == Errc::closed) &&
           !(failure == Errc::bad_destination) && !(failure == Errc::history_changed);
}

Settlement settle_delivery(
    const ClaimedEvent& event,
    const Result<void>& result,
    const RetryPolicy& policy,
    std::uint64_t random
) {
    Settlement settlement{.seq = event.seq};
    if (result) {
        settlement.disposition = Disposition::sent;
        return settlement;
    }
    const Failure& failure = result.error();
    const bool not_tried =
        failure == Errc::cancelled || failure == Errc::cancelled_in_doubt;
    if (not_tried || is_retryable(failure.code)) return settlement;

    settlement.error = failure.message();
    const std::int32_t allowed = event.event.max_retries.value_or(0);
    if (event.retry_count >= allowed) {
        settlement.disposition = Disposition::failed;
    } else {
        settlement.disposition = Disposition::retry;
        settlement.delay =
            policy.delay(static_cast<std::uint32_t>(event.retry_count) + 1, random);
    }
    return settlement;
}

namespace {

std::optional<Failure> defect_of(const Event& event, const std::string& found) {
    if (!found.empty()) return fail(Errc::invalid_request, found);
    const std::pair<const char*, const std::string&> columns[] = {
        {"id", event.id},
        {"aggregate_type", event.aggregate_type},
        {"aggregate_id", event.aggregate_id},
        {"event_type", event.event_type}};
    for (const auto& [name, value] : columns) {
        if (value.empty()) {
            return fail(Errc::invalid_request, std::string{name} + ": is empty");
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<Failure> find_defect(const ClaimedEvent& claimed) {
    return defect_of(claimed.event, claimed.defect);
}

std::optional<Failure> find_defect(const WindowEvent& row) {
    return defect_of(row.event, row.defect);
}

}  // namespace resilience
