// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit_judge.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace resilience::modules::outbox_admin;
using namespace std::chrono_literals;

namespace {

resilience::WallClock::time_point at(std::chrono::seconds time) {
    return resilience::WallClock::time_point{time};
}

DueRow row(
    const std::string& event, const std::string& topic, std::chrono::seconds time
) {
    return {.event = event, .topic = topic, .created = at(time)};
}

std::string events(const std::vector<DueRow>& rows) {
    std::string text;
    for (const auto& one : rows) text += one.event;
    return text;
}

}  // namespace

TEST_CASE("a row is missing if its topic would still have it, whatever others keep") {
    KeptSpans kept;
    kept.removed_before("mail", at(100s));
    const auto judged = judge(
        {row("a", "orders", 10s), row("b", "mail", 99s), row("c", "mail", 100s)}, kept, {}
    );
    CHECK(events(judged.missing) == "ac");
    CHECK(events(judged.unjudged) == "b");
}

TEST_CASE("of several partitions of a topic the one that keeps least counts") {
    KeptSpans kept;
    CHECK_FALSE(kept.kept_since("mail").has_value());
    kept.removed_before("mail", at(100s));
    kept.removed_before("mail", at(300s));
    kept.removed_before("mail", at(200s));
    CHECK(kept.kept_since("mail") == at(300s));
}

TEST_CASE("a row may have been removed where its topic's events are put aside") {
    for (const auto* suffix : {".dlq", ".parked"}) {
        CAPTURE(suffix);
        KeptSpans kept;
        kept.removed_before("mail", at(50s));
        kept.removed_before(std::string{"mail"} + suffix, at(100s));
        const auto judged =
            judge({row("a", "mail", 99s), row("b", "orders", 99s)}, kept, {});
        CHECK(events(judged.unjudged) == "a");
        CHECK(events(judged.missing) == "b");
    }
}

TEST_CASE("a row of a topic that was not read cannot be judged") {
    const auto judged =
        judge({row("a", "orders", 1s), row("b", "mail", 1s)}, {}, {"mail", "other"});
    CHECK(events(judged.unjudged) == "a");
    CHECK(events(judged.missing) == "b");
}

TEST_CASE("lanes go on behind rows that cannot be judged at the operator's word alone") {
    CHECK(may_go_on(0, UnjudgedWord::none).has_value());
    const auto refused = may_go_on(3, UnjudgedWord::none);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() == resilience::Errc::not_found);
    CHECK(refused.error().detail.starts_with("3 rows cannot be judged"));
    CHECK(
        refused.error().detail.find("--count-unjudged-as-delivered") != std::string::npos
    );
    CHECK(may_go_on(3, UnjudgedWord::delivered).has_value());
    CHECK(may_go_on(3, UnjudgedWord::not_delivered).has_value());
}
