// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_REFUSALS_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_REFUSALS_HPP

#include "contracts/claim_source_fixture.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace contract {

/// What a source does when its table refuses a row: `probe`, `leave_out`, `give_up`, and
/// `reset_stale` row by row.
inline void check_refusals(const MakeFixture& make) {
    using namespace std::chrono_literals;
    const auto fixture = make();
    const auto source = fixture->make_source();
    const auto append = [&](int number, std::string key) {
        fixture->append(make_event(number, std::move(key)));
    };
    const auto claim = [&] {
        auto claimed = run(fixture->context(), source->claim(10));
        std::vector<std::string> ids;
        if (!claimed) return ids;
        for (const auto& event : *claimed) ids.push_back(event.event.id);
        return ids;
    };
    const auto probe = [&] {
        auto found = run(fixture->context(), source->probe());
        if (!found) FAIL("probe: ", found.error().message());
        return *found;
    };
    const auto give_up = [&](std::int64_t seq) {
        return run(fixture->context(), source->give_up(seq, "why \xc3\xa9"));
    };

    SUBCASE("a probe names the row that would be claimed, and takes nothing") {
        CHECK_FALSE(probe().seq.has_value());
        append(1, "a");
        append(2, "b");
        const auto found = probe();
        CHECK(found.seq.has_value());
        CHECK_FALSE(found.refusal.has_value());
        CHECK(probe().seq == found.seq);
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(claim() == std::vector{event_id(1), event_id(2)});
        CHECK_FALSE(probe().seq.has_value());
    }

    SUBCASE("one refused row makes a claim fail, and a probe says which it is") {
        append(1, "a");
        append(2, "b");
        fixture->refuse(event_id(1), "PROCESSING");
        const auto refused = run(fixture->context(), source->claim(10));
        REQUIRE_FALSE(refused.has_value());
        CHECK(resilience::blames_rows(refused.error()));
        const auto found = probe();
        REQUIRE(found.seq.has_value());
        CHECK(found.refusal.has_value());
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(2)).status == "NEW");
    }

    SUBCASE("rows that are left out are passed over with their keys, until told otherwise"
    ) {
        append(1, "a");
        append(2, "b");
        append(3, "a");
        fixture->refuse(event_id(1), "PROCESSING");
        source->leave_out({*probe().seq});
        CHECK_FALSE(probe().refusal.has_value());
        CHECK(claim() == std::vector{event_id(2)});
        CHECK(claim().empty());
        source->leave_out({});
        CHECK(probe().refusal.has_value());
    }

    SUBCASE("a row that is given up is FAILED and does not hold its key up") {
        append(1, "a");
        append(2, "a");
        fixture->refuse(event_id(1), "PROCESSING");
        CHECK(give_up(*probe().seq).has_value());
        const auto row = fixture->row(event_id(1));
        CHECK(row.status == "FAILED");
        CHECK(row.error_message == "why \xc3\xa9");
        CHECK(row.retry_count == 1);
        CHECK(row.processed);
        CHECK(claim() == std::vector{event_id(2)});
    }

    SUBCASE("a row is only given up while it is NEW, and unless that is refused too") {
        append(1, "a");
        append(2, "b");
        const auto first = *probe().seq;
        fixture->refuse(event_id(2), "FAILED");
        REQUIRE(run(fixture->context(), source->claim(1)).has_value());
        CHECK(give_up(first).has_value());
        CHECK(fixture->row(event_id(1)).status == "PROCESSING");
        const auto refused = give_up(*probe().seq);
        REQUIRE_FALSE(refused.has_value());
        CHECK(resilience::blames_rows(refused.error()));
        CHECK(fixture->row(event_id(2)).status == "NEW");
    }

    SUBCASE("reset_stale frees the rows that can be freed") {
        for (int i = 1; i <= 3; ++i) append(i, "k" + std::to_string(i));
        REQUIRE(claim().size() == 3);
        fixture->refuse(event_id(2), "NEW");
        const auto freed = run(fixture->context(), source->reset_stale(0ms));
        REQUIRE(freed.has_value());
        CHECK(*freed == 2);
        CHECK(fixture->row(event_id(1)).status == "NEW");
        CHECK(fixture->row(event_id(2)).status == "PROCESSING");
        CHECK(fixture->row(event_id(3)).status == "NEW");
        const auto none = run(fixture->context(), source->reset_stale(0ms));
        REQUIRE_FALSE(none.has_value());
        CHECK(resilience::blames_rows(none.error()));
    }
}

/// A relay on a source whose table refuses one row of many.
inline void check_relay_isolates(const MakeFixture& make) {
    struct Sink : resilience::EventSink {
        net::awaitable<std::vector<resilience::Result<void>>> deliver(
            std::span<const resilience::ClaimedEvent> events
        ) override {
            for (const auto& event : events) delivered.push_back(event.event.id);
            co_return std::vector<resilience::Result<void>>(events.size());
        }
        std::vector<std::string> delivered;
    } sink;
    const auto fixture = make();
    const auto source = fixture->make_source();
    resilience::Relay relay{fixture->context().get_executor(), *source, sink};
    constexpr int rows = 20;
    const std::string guilty = event_id(7);
    // Three rows of each key; the last of the guilty row's key is 19.
    for (int i = 1; i <= rows; ++i)
        fixture->append(make_event(i, "k" + std::to_string(i % 6)));
    const auto run_dry = [&] {
        for (std::size_t moved = 1; moved != 0;) {
            const auto done = run(fixture->context(), relay.run_once());
            if (!done) FAIL(done.error().message());
            moved = *done;
        }
    };
    const auto with_status = [&](const std::string& status) {
        int count = 0;
        for (int i = 1; i <= rows; ++i)
            count += fixture->row(event_id(i)).status == status;
        return count;
    };

    SUBCASE("a verdict that is refused makes its row FAILED, the others are settled") {
        fixture->refuse(guilty, "SENT");
        run_dry();
        CHECK(with_status("SENT") == rows - 1);
        const auto row = fixture->row(guilty);
        CHECK(row.status == "FAILED");
        CHECK(row.error_message.starts_with("the outbox refused to settle it: "));
        CHECK(sink.delivered.size() == rows);
        CHECK(relay.snapshot().failed == 1);
    }

    SUBCASE("a row that cannot be claimed becomes FAILED, the others are delivered") {
        fixture->refuse(guilty, "PROCESSING");
        run_dry();
        CHECK(with_status("SENT") == rows - 1);
        const auto row = fixture->row(guilty);
        CHECK(row.status == "FAILED");
        CHECK(row.error_message.starts_with("the outbox refused to claim it: "));
        CHECK(relay.snapshot().failed == 1);
    }

    SUBCASE("a row that can neither be claimed nor FAILED holds up its key alone") {
        fixture->refuse(guilty, "PROCESSING");
        fixture->refuse(guilty, "FAILED");
        run_dry();
        CHECK(fixture->row(guilty).status == "NEW");
        CHECK(fixture->row(event_id(1)).status == "SENT");
        CHECK(fixture->row(event_id(13)).status == "NEW");
        CHECK(fixture->row(event_id(19)).status == "NEW");
        CHECK(with_status("SENT") == rows - 3);
        CHECK(relay.snapshot().skipped == 1);
        CHECK_FALSE(relay.snapshot().refusal.empty());
    }

    SUBCASE("a row that can neither be settled nor FAILED stays alone") {
        fixture->refuse(guilty, "SENT");
        fixture->refuse(guilty, "FAILED");
        run_dry();
        CHECK(with_status("SENT") == rows - 1);
        CHECK(fixture->row(guilty).status == "PROCESSING");
        CHECK(relay.snapshot().skipped == 1);
    }
}

}  // namespace contract

#endif
