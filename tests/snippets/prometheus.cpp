// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/outcome.hpp>
#include <resilience/pipeline.hpp>
#include <resilience/prometheus/metrics.hpp>
#include <resilience/registry.hpp>
#include <resilience/retry.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace resilience;

Outcome<int> send_mail(CallContext&) { return 250; }

bool has(const std::string& text, const std::string& line) {
    return text.find(line) != std::string::npos;
}

}  // namespace

TEST_CASE("docs/prometheus.md: observe, read, count, answer the scrape") {
    //[observe
    using Observer = prometheus::Observer;
    prometheus::Metrics metrics;
    auto breaker = std::make_shared<CircuitBreaker<Observer>>(
        CircuitBreakerOptions{}, metrics.observer("mail")
    );
    auto slots = std::make_shared<Bulkhead<Observer>>(
        BulkheadOptions{.limit = 8}, metrics.observer("mail slots")
    );
    //]

    //[read
    auto registry = std::make_shared<Registry>();
    std::error_code error = registry->add("mail", breaker);
    if (!error) error = registry->add("mail slots", slots);
    metrics.collect(registry);
    //]
    REQUIRE_FALSE(error);

    //[count
    const prometheus::Requests requests = metrics.requests("send_mail");
    Pipeline mail{
        Deadline{1s},
        Retry{RetryOptions{.attempts = 3}, nullptr, metrics.observer("mail")},
        *breaker,
        *slots};
    Outcome<int> reply = requests.run([&] { return mail.run(send_mail); });
    //]
    CHECK(reply.value() == 250);

    //[scrape
    std::string body = metrics.serialize();  // Content-Type: Metrics::content_type
    //]
    CHECK(has(body, "\nresilience_circuit_breaker_state{name=\"mail\"} 0\n"));
    CHECK(has(body, "\nresilience_circuit_breaker_successes_total{name=\"mail\"} 1\n"));
    CHECK(has(body, "\nresilience_bulkhead_limit{name=\"mail slots\"} 8\n"));
    CHECK(has(body, "\nresilience_requests_total{name=\"send_mail\"} 1\n"));
}

TEST_CASE("docs/prometheus.md: requests by hand") {
    prometheus::Metrics metrics;
    const prometheus::Requests requests = metrics.requests("send_mail");
    //[by_hand
    auto request = requests.begin();
    const std::error_code error = make_error_code(Errc::unavailable);
    std::move(request).done(classify(error).verdict);
    //]
    const std::string body = metrics.serialize();
    CHECK(
        has(body, "resilience_errors_total{name=\"send_mail\",verdict=\"transient\"} 1\n")
    );
}

TEST_CASE("docs/prometheus.md: instruments") {
    prometheus::Metrics metrics;
    //[instruments
    const prometheus::Counter mails = metrics.counter("mails_sent_total", "Mails sent.");
    const prometheus::CounterFamily answers =
        metrics.counters("answers_total", "Answers by route.", {"route", "status"});
    const prometheus::Histogram size =
        metrics.histogram("mail_bytes", "Size of mails.", {1e3, 1e4, 1e5, 1e6});

    mails.add();
    answers.with({"/users/{id}", "200"}).add();
    size.observe(5'120);
    //]

    std::deque<int> queue{1, 2, 3};
    //[on_scrape
    const prometheus::Gauge waiting = metrics.gauge("mails_waiting", "Mails that wait.");
    metrics.on_scrape([&queue, waiting] {
        waiting.set(static_cast<double>(queue.size()));
    });
    //]
    const std::string body = metrics.serialize();
    CHECK(has(body, "\nmails_sent_total 1\n"));
    CHECK(has(body, "answers_total{route=\"/users/{id}\",status=\"200\"} 1\n"));
    CHECK(has(body, "mail_bytes_bucket{le=\"10000\"} 1\n"));
    CHECK(has(body, "\nmails_waiting 3\n"));
}

TEST_CASE("docs/prometheus.md: names of one's own") {
    //[profile
    prometheus::Metrics documented{{.profile = prometheus::Profile::mailflow()}};

    prometheus::Metrics own{
        {.profile = {
             .prefix = "shop",
             .label = "peer",
             .names = {{"circuit_breaker_state", "peer_circuit"}}}}};
    //]
    CircuitBreaker breaker{CircuitBreakerOptions{}, own.observer("bank")};
    breaker.try_acquire().done(Verdict::success);
    CHECK(has(own.serialize(), "shop_circuit_breaker_successes_total{peer=\"bank\"} 1\n")
    );
    CHECK(has(documented.serialize(), "user_service_scrape_errors_total 0\n"));
}
