// SPDX-License-Identifier: MIT
#include "contracts/lane_sink.hpp"
#include "contracts/memory_lane_sink.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace resilience;

class MemoryLaneFixture final : public contract::LaneFixture {
public:
    std::unique_ptr<LaneSink> make_owner() override {
        return std::make_unique<contract::MemoryLaneSink>(lane_);
    }
    std::unique_ptr<LaneSink> make_aborting_owner() override {
        return std::make_unique<contract::MemoryLaneSink>(lane_, 1);
    }
    std::string topic() override { return "t"; }
    void make_undeliverable(WindowEvent& event) override {
        event.event.event_data = std::string(lane_.longest + 1, 'x');
    }
    std::vector<std::string> arrived(std::size_t) override {
        std::vector<std::string> ids;
        for (const auto& event : lane_.events) ids.push_back(event.id);
        return ids;
    }
    net::io_context& context() override { return io_; }

private:
    contract::MemoryLane lane_;
    net::io_context io_;
};

std::unique_ptr<contract::LaneFixture> make() {
    return std::make_unique<MemoryLaneFixture>();
}

}  // namespace

TEST_CASE("I1, I2: a lane in memory keeps the contract of commits") {
    contract::check_lane_commits(make);
}

TEST_CASE("I8: a lane in memory keeps the contract of failures") {
    contract::check_lane_failures(make);
}

TEST_CASE("I7: a lane in memory keeps the contract of the fence") {
    contract::check_lane_fence(make);
}
