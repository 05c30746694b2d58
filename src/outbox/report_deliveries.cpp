// SPDX-License-Identifier: MIT
#include <resilience/delivery_report.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace resilience {

LaneRelayObserver report_deliveries(
    DeliveryReport& report, int lane, LaneRelayObserver next
) {
    LaneRelayObserver observer;
    observer.changed =
        [&report, lane, take_overs = std::uint64_t{0}, then = std::move(next.changed)](
            const LaneRelaySnapshot& now
        ) mutable {
            // Between these every chunk is told of.
            if (std::exchange(take_overs, now.take_overs) != now.take_overs) {
                report.found(lane, now.position);
            }
            if (then) then(now);
        };
    observer.committed =
        [&report, lane, then = std::move(next.committed)](const CommittedChunk& chunk) {
            std::vector<DeadLetteredRow> letters;
            for (const auto& letter : chunk.dead_letters) {
                letters.push_back({chunk.events[letter.event].seq, letter.why.message()});
            }
            report.delivered(lane, chunk.events, chunk.position, letters);
            if (then) then(chunk);
        };
    return observer;
}

}  // namespace resilience
