// SPDX-License-Identifier: MIT
#include <resilience/detail/pipeline_order.hpp>

#include <doctest/doctest.h>

#include <cstddef>

using resilience::PipelineStage;
using resilience::detail::default_order;
using resilience::detail::mistake_in;
using resilience::detail::OrderMistake;
using resilience::detail::StageList;
using enum resilience::PipelineStage;

namespace {

/// The mistake in an order of stages, of which the last one is innermost.
template <class... Stages>
OrderMistake mistake(Stages... stages) {
    return mistake_in(StageList<sizeof...(Stages)>{stages...});
}

}  // namespace

TEST_CASE("each order that is known to fail is told by its reason") {
    CHECK(mistake(deadline, retry, retry) == OrderMistake::two_retries);
    CHECK(mistake(hedge, hedge) == OrderMistake::two_hedges);
    CHECK(mistake(deadline, breaker, retry) == OrderMistake::breaker_outside_retry);
    CHECK(mistake(breaker, hedge) == OrderMistake::breaker_outside_hedge);
    CHECK(mistake(deadline, bulkhead, retry) == OrderMistake::bulkhead_outside_retry);
    CHECK(mistake(deadline, hedge, retry) == OrderMistake::retry_inside_hedge);
    CHECK(mistake(deadline, retry, fallback) == OrderMistake::fallback_inside_retry);
    CHECK(mistake(breaker, fallback) == OrderMistake::fallback_inside_breaker);
    CHECK(mistake(retry, deadline) == OrderMistake::deadline_inside_retry);
    CHECK(mistake(deadline, timeout, retry) == OrderMistake::timeout_outside_retry);
    CHECK(mistake(timeout, bulkhead) == OrderMistake::timeout_outside_bulkhead);
    CHECK(mistake(timeout, breaker) == OrderMistake::timeout_outside_breaker);
    CHECK(mistake(chaos, breaker) == OrderMistake::chaos_not_last);
    CHECK(mistake(retry, timeout) == OrderMistake::retry_without_deadline);
}

TEST_CASE("the default order has no mistake, and stages of one kind keep their places") {
    constexpr StageList<11> reversed{
        chaos,
        timeout,
        bulkhead,
        bulkhead,
        breaker,
        rate_limit,
        rate_limit,
        hedge,
        retry,
        deadline,
        fallback};
    const auto order = default_order(reversed);
    StageList<11> standing{};
    for (std::size_t i = 0; i < order.size(); ++i) standing[i] = reversed[order[i]];
    for (std::size_t i = 1; i < order.size(); ++i) {
        CHECK(standing[i - 1] <= standing[i]);
        if (standing[i - 1] == standing[i]) CHECK(order[i - 1] < order[i]);
    }
    CHECK(mistake_in(standing) == OrderMistake::none);
}
