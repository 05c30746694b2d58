// SPDX-License-Identifier: MIT
#include "contracts/claim_source_fixture.hpp"
#include "server.hpp"

#include <resilience/outbox.hpp>
#include <resilience/postgres/outbox_source.hpp>
#include <resilience/postgres/transaction.hpp>

#include <string>
#include <utility>

using namespace postgres_tests;
using resilience::Event;
using resilience::Outbox;

namespace {

Event event_of(std::string data) {
    auto event = contract::make_event(1, "a");
    event.event_data = std::move(data);
    return event;
}

std::string ones(int count) {
    std::string text = "[1";
    for (int i = 1; i < count; ++i) text += ",1";
    return text + ']';
}

// The least limit under which `text` is accepted.
std::size_t least_limit(const std::string& text) {
    std::size_t low = 1;
    for (std::size_t high = 1'000'000; low < high;) {
        const auto middle = low + (high - low) / 2;
        const bool accepted =
            Outbox{{.max_event_bytes = middle}}.prepare(event_of(text)).has_value();
        (accepted ? high : low) = accepted ? middle : middle + 1;
    }
    return low;
}

}  // namespace

TEST_CASE("O5: whatever is accepted comes back from a jsonb column within the limit") {
    const std::string texts[] = {
        "0",
        "-0",
        "-0.0",
        "1e400",
        "1E+3",
        "12.50e1",
        "12.50e-3",
        "100e-3",
        "1e131071",
        "1e-16383",
        "0e400",
        "[]",
        " { } ",
        "[1,2,[3,4,[]],{\"a\":{}}]",
        R"({"a":1,"a":2,"bb":[true,false,null]})",
        R"(["\u00e9\u0041\ud83d\ude00","\/\b\f\n\r\t\"\\","\u001f\u007f"])",
        R"({"k:,":"v:,\\","\"":":"})",
        "\"\xc3\xa9\x7f\"",
        ones(100)};
    run([&](net::io_context&) -> net::awaitable<void> {
        auto connection = co_await connected();
        for (const auto& text : texts) {
            CAPTURE(text);
            auto values = pg::parameters(text);
            const auto bytes = co_await value(
                connection,
                "SELECT octet_length($1::jsonb::text)::text",
                std::move(values)
            );
            CHECK(std::stoull(bytes) <= least_limit(text));
        }
    });
}

TEST_CASE("O5: an event accepted at the limit is claimed with no more bytes than that") {
    const Schema schema{true};
    const Outbox outbox;
    // Less than the limit as written, half as much again as jsonb.
    const auto large = outbox.prepare(event_of(ones(499'999)));
    REQUIRE_FALSE(large.has_value());
    CHECK(large.error() == Errc::too_large);

    run([&](net::io_context& context) -> net::awaitable<void> {
        pg::Pool pool{context.get_executor(), {.connection = schema.options()}};
        const auto work = [&](pg::Transaction& t
                          ) -> net::awaitable<Result<resilience::Uuid>> {
            auto event = event_of(ones(333'333));
            co_return co_await outbox.append(t, std::move(event));
        };
        const auto id = co_await pg::with_transaction(pool, work);
        REQUIRE(ok(id));
        pg::OutboxSource source{pool};
        const auto events = co_await source.claim(10);
        REQUIRE(ok(events));
        REQUIRE(events->size() == 1);
        CHECK(events->front().event.event_data.size() == 999'999);
        CHECK(
            events->front().event.event_data.size() <= outbox.options().max_event_bytes
        );
    });
}
