// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/latency_probe.hpp>

#include <chaos/exactly_once/topic_admin.hpp>

#include <resilience/postgres/libpq_transaction.hpp>

#include <algorithm>
#include <span>

namespace resilience::e2e {
namespace {

std::string make_topic(const World& world) {
    auto topic = world.topic() + "-probe";
    create_topic(world.brokers(), topic);
    return topic;
}

LatencyProbe::Latency median(std::span<const LatencyProbe::Latency> some) {
    std::vector<LatencyProbe::Latency> sorted(some.begin(), some.end());
    if (sorted.empty()) return {};
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    return *middle;
}

}  // namespace

LatencyProbe::LatencyProbe(const World& world)
    : topic_(make_topic(world)),
      outbox_(OutboxOptions{
          .topic = topic_, .lanes = static_cast<std::int16_t>(world.writers().lanes)}),
      session_(world.conninfo()),
      reader_(world.brokers(), topic_) {}

bool LatencyProbe::send_one() {
    using namespace std::chrono_literals;
    session_.run("BEGIN");
    postgres::LibpqTransaction transaction{session_.native()};
    const auto id = outbox_.append(
        transaction,
        {.aggregate_type = "probe",
         .aggregate_id = "probe",
         .event_type = std::to_string(latencies_.size() + 1),
         .event_data = "{}"}
    );
    if (!id) throw SessionError(id.error().message());
    const auto began = std::chrono::steady_clock::now();
    session_.run("COMMIT");
    const bool came = reader_.await(id->to_string(), 60s);
    latencies_.push_back(
        std::chrono::duration_cast<Latency>(std::chrono::steady_clock::now() - began)
    );
    return came;
}

LatencyProbe::Latency LatencyProbe::first_median() const {
    return median(std::span{latencies_}.first(latencies_.size() / 3));
}

LatencyProbe::Latency LatencyProbe::last_median() const {
    return median(std::span{latencies_}.last(latencies_.size() / 3));
}

}  // namespace resilience::e2e
