// SPDX-License-Identifier: MIT
#include <host/body_budget.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>

namespace resilience::host {
namespace {

TEST_CASE("The bodies of all connections together stay within the budget") {
    prometheus::Metrics metrics;
    BodyBudget budget{1000, metrics.gauge("held", "Bytes.")};
    std::optional<BodyBudget::Share> first{std::in_place, budget};
    BodyBudget::Share second{budget};
    CHECK(first->grow_to(600));
    CHECK(first->grow_to(600));
    CHECK_FALSE(second.grow_to(401));
    CHECK(second.grow_to(400));
    CHECK(metrics.serialize().find("held 1000") != std::string::npos);

    second.clear();
    CHECK(first->grow_to(1000));
    CHECK_FALSE(second.grow_to(1));

    first.reset();
    CHECK(second.grow_to(1000));
    second.clear();
    second.clear();
    CHECK(metrics.serialize().find("held 0") != std::string::npos);
}

}  // namespace
}  // namespace resilience::host
