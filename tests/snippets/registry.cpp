// SPDX-License-Identifier: MIT
#include <resilience/bulkhead.hpp>
#include <resilience/circuit_breaker.hpp>
#include <resilience/deadline.hpp>
#include <resilience/registry.hpp>
#include <resilience/timeout.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace mail {

//[own
/// Mail that waits for the peer to come back.
class Backlog {
public:
    struct Snapshot {
        static constexpr const char* kind = "queue";
        std::size_t waiting = 0;
        std::uint64_t sent = 0;
    };

    Snapshot snapshot() const { return {waiting_.load(), sent_.load()}; }

private:
    std::atomic<std::size_t> waiting_{3};
    std::atomic<std::uint64_t> sent_{7};
};

template <class Visit>
void visit_readings(const Backlog::Snapshot& s, Visit&& visit) {
    visit("size", s.waiting);
    visit("sent_total", s.sent);
}
//]

}  // namespace mail

namespace {

using namespace std::chrono_literals;
using namespace resilience;

//[print
void print(const Registry& registry, std::ostream& out) {
    for (const PolicySnapshot& policy : registry.snapshot()) {
        out << policy.kind << ' ' << policy.name << '\n';
        for (const Reading& r : policy.readings) {
            out << "  " << r.name << ' ' << r.value << '\n';
        }
    }
}
//]

//[operate
std::string change(Registry& registry, const std::string& name, std::uint32_t limit) {
    try {
        if (!registry.reconfigure<Bulkhead<>>(name, {.limit = limit})) {
            return "there is no bulkhead " + name;
        }
        return "done";
    } catch (const std::logic_error& e) {
        return e.what();  // nothing has changed
    }
}
//]

}  // namespace

TEST_CASE("docs/registry.md: add, find, read, change, remove") {
    //[add
    Registry registry{{.max_policies = 100}};
    auto breaker = std::make_shared<CircuitBreaker<>>(CircuitBreakerOptions::mailflow());
    auto bulkhead = std::make_shared<Bulkhead<>>(BulkheadOptions{.limit = 8});
    std::error_code error = registry.add("mail breaker", breaker);
    if (!error) error = registry.add("mail slots", bulkhead);
    //]
    REQUIRE_FALSE(error);

    //[find
    if (auto found = registry.find<CircuitBreaker<>>("mail breaker")) {
        found->force_open();  // until the maintenance of the mail server is over
    }
    //]
    CHECK(breaker->state() == CircuitState::forced_open);

    CHECK(
        change(registry, "mail slots", 0) ==
        "BulkheadOptions::limit: must be 1 to 8388607"
    );
    CHECK(change(registry, "mail slots", 16) == "done");
    CHECK(change(registry, "mail breaker", 16) == "there is no bulkhead mail breaker");
    CHECK(bulkhead->options().limit == 16);

    std::ostringstream out;
    print(registry, out);
    CHECK(out.str().starts_with("circuit_breaker mail breaker\n  state 3\n"));

    //[remove
    registry.remove("mail slots");  // calls that hold the bulkhead go on
    //]
    CHECK(registry.names().size() == 1);
}

TEST_CASE("docs/registry.md: the timeout in a deadline") {
    Registry registry;
    //[deadline
    auto deadline = std::make_shared<Deadline>(2s);  // used in a pipeline by reference
    std::shared_ptr<Timeout<>> whole{deadline, &deadline->timeout()};
    const std::error_code error = registry.add("orders", whole);
    //]
    CHECK(!error);
    CHECK(registry.reconfigure<Timeout<>>("orders", {.limit = 1s}));
    CHECK(deadline->after() == 1s);
    CHECK(registry.snapshot().front().kind == std::string{"timeout"});
}

TEST_CASE("docs/registry.md: a policy of one's own") {
    Registry registry;
    REQUIRE(!registry.add("mail", std::make_shared<mail::Backlog>()));
    std::ostringstream out;
    print(registry, out);
    CHECK(out.str() == "queue mail\n  size 3\n  sent_total 7\n");
}
