// SPDX-License-Identifier: MIT
#include <e2e/harness/stack.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <set>
#include <sstream>
#include <string>

using namespace resilience::e2e;

namespace {

// The lines of a scrape; of a series, its name and labels without its value.
std::set<std::string> published(const std::string& body) {
    std::set<std::string> lines;
    std::istringstream text{body};
    for (std::string line; std::getline(text, line);) {
        lines.insert(line.starts_with('#') ? line : line.substr(0, line.rfind(' ')));
    }
    return lines;
}

void check_published(
    const std::string& body, std::initializer_list<const char*> expected
) {
    const auto lines = published(body);
    for (const char* line : expected) CHECK_MESSAGE(lines.contains(line), line);
}

constexpr const char* form = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

TEST_CASE("M26, O19: the server's metrics keep names, types, labels and help") {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    const auto http = stack.http();
    CHECK(http.post("/v1/users", R"({"email":"a@b.c","name":"A"})").status == 201);
    CHECK(http.post("/v1/bucket/consume?key=a", "").status == 200);
    CHECK(http.get("/nowhere").status == 404);
    const auto answer = http.get("/metrics");
    CHECK(answer.header("content-type") == form);
    check_published(
        answer.body,
        {"# HELP users_requests_total Requests about users by what was asked and how it "
         "ended",
         "# TYPE users_requests_total counter",
         R"(users_requests_total{operation="create",result="ok"})",
         "# HELP bucket_requests_total Requests for tokens by what was asked and how it "
         "ended",
         "# TYPE bucket_requests_total counter",
         R"(bucket_requests_total{operation="consume",result="allowed"})",
         "# HELP bucket_tokens_consumed_total Tokens that were given out",
         "# TYPE bucket_tokens_consumed_total counter",
         "bucket_tokens_consumed_total",
         "# HELP bucket_table_slots Keys that the table has room for",
         "# TYPE bucket_table_slots gauge",
         "bucket_table_slots",
         "# HELP bucket_table_keys Keys whose buckets are not full, estimated from a "
         "sample",
         "# TYPE bucket_table_keys gauge",
         "bucket_table_keys",
         "# HELP bucket_table_overflows_total Decisions by a shared bucket because the "
         "key found no room of its own",
         "# TYPE bucket_table_overflows_total counter",
         "bucket_table_overflows_total",
         R"(http_requests_total{method="POST",route="/v1/users",status="201"})",
         R"(http_requests_total{method="GET",route="_OTHER",status="404"})",
         R"(http_request_duration_seconds_count{method="POST",route="/v1/users"})",
         "http_connections",
         "http_requests_in_flight",
         "http_body_bytes",
         "resilience_label_overflows_total",
         "resilience_scrape_errors_total"}
    );
}

TEST_CASE("M26, O19: the relay's metrics keep names, types, labels and help") {
    Stack stack(Stack::Kind::embedded);
    stack.start_server();
    stack.start_relay();
    CHECK(
        stack.http().post("/v1/users", R"({"email":"a@b.c","name":"A"})").status == 201
    );
    std::string body;
    const std::string sent = "relay_events_total{result=\"sent\"} 1\n";
    CHECK(eventually([&] {
        body = stack.relay_http().get("/metrics").body;
        return body.find(sent) != std::string::npos;
    }));
    check_published(
        body,
        {"# HELP relay_events_total Events by what became of them",
         "# TYPE relay_events_total counter",
         R"(relay_events_total{result="claimed"})",
         R"(relay_events_total{result="sent"})",
         R"(relay_events_total{result="retried"})",
         R"(relay_events_total{result="failed"})",
         R"(relay_events_total{result="released"})",
         R"(relay_events_total{result="skipped"})",
         R"(relay_events_total{result="stale_reset"})",
         "# HELP relay_pauses_total Pauses because source or sink was down",
         "# TYPE relay_pauses_total counter",
         "relay_pauses_total",
         "# HELP relay_paused 1 while source or sink is down",
         "# TYPE relay_paused gauge",
         "relay_paused",
         "# HELP outbox_events_pending Events that are not delivered yet",
         "# TYPE outbox_events_pending gauge",
         "outbox_events_pending",
         "# HELP outbox_lag_seconds Age of the oldest pending event",
         "# TYPE outbox_lag_seconds gauge",
         "outbox_lag_seconds",
         "http_connections"}
    );
}
