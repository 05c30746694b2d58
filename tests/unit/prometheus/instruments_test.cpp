// SPDX-License-Identifier: MIT
#include "unit/prometheus/exposed.hpp"

#include <resilience/prometheus/metrics.hpp>
#include <resilience/registry.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace resilience::prometheus {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool has(const Metrics& metrics, std::string_view text) {
    return metrics.serialize().find(text) != std::string::npos;
}

TEST_CASE("Instruments are written under their own names, with help and type") {
    Metrics metrics;
    metrics.counter("things_total", "Things.").add(2);
    metrics.gauge("level", "Level.").set(1.5);
    metrics.histogram("took_seconds", "Time.", {1, 2}).observe(1.5);
    metrics.gauges("depth", "Depth.", {"queue"}).with({"mail"}).add(-2);
    CHECK(has(metrics, "# HELP things_total Things.\n# TYPE things_total counter\n"));
    CHECK(has(metrics, "# HELP level Level.\n# TYPE level gauge\n"));
    CHECK(has(metrics, "# HELP took_seconds Time.\n# TYPE took_seconds histogram\n"));
    CHECK(exposed(metrics, "things_total") == "2");
    CHECK(exposed(metrics, "level") == "1.5");
    CHECK(exposed(metrics, "depth{queue=\"mail\"}") == "-2");
    CHECK(exposed(metrics, "took_seconds_bucket{le=\"1\"}") == "0");
    CHECK(exposed(metrics, "took_seconds_bucket{le=\"2\"}") == "1");
    CHECK(exposed(metrics, "took_seconds_bucket{le=\"+Inf\"}") == "1");
    CHECK(exposed(metrics, "took_seconds_sum") == "1.5");
}

TEST_CASE("A histogram has the bounds of durations unless it has bounds of its own") {
    Metrics metrics{{.duration_bounds = {.25, 3}}};
    metrics.histograms("took_seconds", "Time.", {"to"}).with({"db"}).observe(.3);
    CHECK(exposed(metrics, "took_seconds_bucket{to=\"db\",le=\"0.25\"}") == "0");
    CHECK(exposed(metrics, "took_seconds_bucket{to=\"db\",le=\"3\"}") == "1");
    CHECK(series_of(metrics, "took_seconds_bucket") == 3);
}

TEST_CASE("A counter never falls") {
    Metrics metrics;
    const Counter counter = metrics.counter("things_total", "Things.");
    counter.add(3);
    counter.add(-1);
    counter.add(nan);
    CHECK(exposed(metrics, "things_total") == "3");
    counter.raise_to(2);
    counter.raise_to(nan);
    CHECK(exposed(metrics, "things_total") == "3");
    counter.raise_to(5);
    counter.raise_to(5);
    CHECK(exposed(metrics, "things_total") == "5");
}

TEST_CASE("Asking again for an instrument gives the same one") {
    Metrics metrics;
    metrics.counter("things_total", "Things.").add();
    metrics.counter("things_total", "Other things.").add();
    CHECK(exposed(metrics, "things_total") == "2");
    CHECK(has(metrics, "# HELP things_total Things.\n"));
    CHECK_THROWS_AS((void)metrics.gauge("things_total", "x"), std::invalid_argument);
    CHECK_THROWS_AS(
        (void)metrics.counters("things_total", "x", {"kind"}), std::invalid_argument
    );
}

TEST_CASE("Instruments of one name in another Metrics count apart; copies share") {
    Metrics metrics;
    Metrics copy = metrics;
    Metrics apart;
    metrics.counter("things_total", "Things.").add();
    copy.counter("things_total", "Things.").add();
    apart.counter("things_total", "Things.").add(7);
    CHECK(exposed(metrics, "things_total") == "2");
    CHECK(exposed(apart, "things_total") == "7");
}

TEST_CASE("Instruments may outlive their metrics") {
    std::optional<Metrics> metrics{std::in_place};
    const Counter counter = metrics->counter("things_total", "Things.");
    const CounterFamily family = metrics->counters("asked_total", "Asked.", {"key"});
    const Histogram histogram = metrics->histogram("took_seconds", "Time.");
    metrics.reset();
    counter.add();
    family.with({"a"}).add();
    histogram.observe(1);
}

TEST_CASE("Label sets are bounded: what is too many counts as _OTHER, and is counted") {
    Metrics metrics;
    const auto family = metrics.counters("asked_total", "Asked.", {"key", "kind"}, 9);
    for (int i = 0; i < 100'000; ++i) family.with({std::to_string(i), "x"}).add();
    CHECK(series_of(metrics, "asked_total") == 10);
    CHECK(exposed(metrics, "asked_total{key=\"8\",kind=\"x\"}") == "1");
    const char* const other = "asked_total{key=\"_OTHER\",kind=\"_OTHER\"}";
    CHECK(exposed(metrics, other) == "99991");
    CHECK(exposed(metrics, "resilience_label_overflows_total") == "99991");
    family.with({"0", "x"}).add();
    CHECK(exposed(metrics, "asked_total{key=\"0\",kind=\"x\"}") == "2");

    // By that very name it is the same series.
    family.with({"_OTHER", "_OTHER"}).add();
    CHECK(exposed(metrics, other) == "99992");
    CHECK(series_of(metrics, "asked_total") == 10);
}

TEST_CASE("What no label may be counts as _OTHER") {
    Metrics metrics;
    const auto family = metrics.counters("asked_total", "Asked.", {"key"});
    for (const std::string& bad :
         {std::string{"\xff"}, std::string("a\0b", 3), std::string(129, 'x')}) {
        family.with({bad}).add();
    }
    CHECK(exposed(metrics, "asked_total{key=\"_OTHER\"}") == "3");
    CHECK(exposed(metrics, "resilience_label_overflows_total") == "3");
    family.with({std::string(128, 'x')}).add();
    CHECK(series_of(metrics, "asked_total") == 2);
}

TEST_CASE("Missing label values are empty, and those that are too many do not count") {
    Metrics metrics;
    const auto family = metrics.counters("asked_total", "Asked.", {"a", "b"});
    family.with({"x"}).add();
    family.with({"x", "", "y"}).add();
    CHECK(exposed(metrics, "asked_total{a=\"x\",b=\"\"}") == "2");
    CHECK(series_of(metrics, "asked_total") == 1);
}

TEST_CASE("Label values that join to the same text stay apart") {
    Metrics metrics;
    const auto family = metrics.counters("asked_total", "Asked.", {"a", "b"});
    family.with({"x", "yz"}).add();
    family.with({"xy", "z"}).add();
    CHECK(series_of(metrics, "asked_total") == 2);
}

TEST_CASE("A family without series is not written") {
    Metrics metrics;
    (void)metrics.counters("asked_total", "Asked.", {"key"});
    CHECK_FALSE(has(metrics, "asked_total"));
}

TEST_CASE("Gauges are set right before a scrape") {
    Metrics metrics;
    int depth = 3;
    const Gauge gauge = metrics.gauge("depth", "Depth.");
    metrics.on_scrape([&] { gauge.set(depth); });
    CHECK(exposed(metrics, "depth") == "3");
    depth = 4;
    CHECK(exposed(metrics, "depth") == "4");
}

TEST_CASE("An update that throws is counted, and the rest is shown") {
    Metrics metrics;
    const Gauge gauge = metrics.gauge("depth", "Depth.");
    metrics.on_scrape([] { throw std::runtime_error{"no"}; });
    metrics.on_scrape([] { throw 7; });
    metrics.on_scrape([gauge] { gauge.add(1); });
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "2");
    CHECK(exposed(metrics, "depth") == "2");
}

TEST_CASE("An update may make instruments and updates") {
    Metrics metrics;
    bool first = true;
    metrics.on_scrape([&] {
        metrics.counter("scrapes_total", "Scrapes.").add();
        if (std::exchange(first, false)) metrics.on_scrape([] {});
    });
    CHECK(exposed(metrics, "scrapes_total") == "1");
    CHECK(exposed(metrics, "scrapes_total") == "2");
}

TEST_CASE("Updates and what they hold go with the last handle of the metrics") {
    const auto held = std::make_shared<int>();
    {
        Metrics metrics;
        const Gauge gauge = metrics.gauge("depth", "Depth.");
        metrics.on_scrape([held, gauge] { gauge.set(*held); });
        CHECK(held.use_count() == 2);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE(
    "Where an instrument has the name of what policies show, the instrument is shown"
) {
    Metrics metrics;
    metrics.gauge("resilience_requests_total", "Mine.").set(5);
    metrics.counter("resilience_errors_total", "Mine.").add(4);
    metrics.requests("a").record(Verdict::success, std::chrono::milliseconds{1});
    CHECK(exposed(metrics, "resilience_requests_total") == "5");
    CHECK(exposed(metrics, "resilience_requests_total{name=\"a\"}") == "none");
    CHECK(exposed(metrics, "resilience_errors_total") == "4");
    CHECK(series_of(metrics, "resilience_errors_total") == 0);
    CHECK(
        exposed(metrics, "resilience_request_duration_seconds_count{name=\"a\"}") == "1"
    );
    CHECK(exposed(metrics, "resilience_scrape_errors_total") == "30");
}

TEST_CASE("What is no instrument is refused") {
    Metrics metrics;
    const auto refused = [](auto&& make) {
        CHECK_THROWS_AS((void)make(), std::invalid_argument);
    };
    for (const char* name : {"", "not a name", "1a"}) {
        refused([&] { return metrics.counter(name, "x"); });
    }
    refused([&] { return metrics.counter("a_total", "one\ntwo"); });
    refused([&] { return metrics.counter("a_total", "\xff"); });
    for (const std::vector<std::string>& labels : std::vector<std::vector<std::string>>{
             {""}, {"not a label"}, {"__a"}, {"a", "a"}}) {
        refused([&] { return metrics.counters("a_total", "x", labels); });
    }
    refused([&] { return metrics.histograms("a", "x", {"le"}); });
    for (const std::size_t most : {std::size_t{0}, std::size_t{10'001}}) {
        refused([&] { return metrics.counters("a_total", "x", {"a"}, most); });
    }
    for (const std::vector<double>& bounds : std::vector<std::vector<double>>{
             {1, 1}, {2, 1}, {nan}, {1, nan}, {infinity}, std::vector<double>(65, 1)}) {
        refused([&] { return metrics.histogram("a", "x", bounds); });
    }
    (void)metrics.histogram("a", "x", {-1, 0, 1e9});
    (void)metrics.counters("a_total", "x", {"le"}, 10'000);
}

TEST_CASE("Names of instruments and updates are bounded") {
    Metrics metrics;
    for (std::size_t i = 0; i < Metrics::max_families; ++i) {
        (void)metrics.gauge("level_" + std::to_string(i), "Level.");
    }
    CHECK_THROWS_AS((void)metrics.gauge("level", "Level."), std::length_error);
    (void)metrics.gauge("level_0", "Level.");
    for (std::size_t i = 0; i < Metrics::max_updates; ++i) metrics.on_scrape([] {});
    CHECK_THROWS_AS(metrics.on_scrape([] {}), std::length_error);
}

TEST_CASE("Threads count, raise and scrape at once and nothing is lost") {
    Metrics metrics;
    std::vector<std::thread> threads;
    for (int id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            const Counter counter = metrics.counter("things_total", "Things.");
            const Counter raised = metrics.counter("raised_total", "Raised.");
            const auto asked = metrics.counters("asked_total", "Asked.", {"key"}, 3);
            const Histogram histogram = metrics.histogram("took_seconds", "Time.");
            for (int i = 0; i < 500; ++i) {
                counter.add();
                raised.raise_to(i);
                asked.with({std::to_string((id + i) % 8)}).add();
                histogram.observe(1);
                if (i % 50 == 0) CHECK(series_of(metrics, "asked_total") <= 4);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(exposed(metrics, "things_total") == "2000");
    CHECK(exposed(metrics, "raised_total") == "499");
    CHECK(exposed(metrics, "took_seconds_count") == "2000");
    CHECK(series_of(metrics, "asked_total") == 4);
}

}  // namespace
}  // namespace resilience::prometheus
