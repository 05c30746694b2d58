// SPDX-License-Identifier: MIT
#include "contracts/lane_sink.hpp"
#include "integration/kafka/lane_world.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace resilience;
using namespace resilience::test;

class KafkaLaneFixture final : public contract::LaneFixture {
public:
    std::unique_ptr<LaneSink> make_owner() override { return world_.owner(); }
    std::unique_ptr<LaneSink> make_aborting_owner() override {
        world_.options().epoch_guard = kafka::EpochGuard::every_transaction;
        return world_.owner();
    }
    std::string topic() override { return topic_; }
    void make_undeliverable(WindowEvent& event) override {
        event.event.event_data = std::string(2'000'000, 'x');
    }
    std::vector<std::string> arrived(std::size_t expected) override {
        std::vector<std::string> ids;
        for (auto& one : world_.cluster().consume(topic_, expected)) {
            ids.push_back(one.headers["ce_id"]);
        }
        return ids;
    }
    net::io_context& context() override { return world_.io(); }

private:
    LaneWorld world_;
    std::string topic_ = world_.cluster().make_topic("contract", 1);
};

std::unique_ptr<contract::LaneFixture> make() {
    return std::make_unique<KafkaLaneFixture>();
}

}  // namespace

TEST_CASE("I1, I2: LaneProducer keeps the contract of commits") {
    contract::check_lane_commits(make);
}

TEST_CASE("I8: LaneProducer keeps the contract of failures") {
    contract::check_lane_failures(make);
}

TEST_CASE("I7: LaneProducer keeps the contract of the fence") {
    contract::check_lane_fence(make);
}
