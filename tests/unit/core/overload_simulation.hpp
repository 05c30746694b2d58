// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_CORE_OVERLOAD_SIMULATION_HPP
#define RESILIENCE_TESTS_UNIT_CORE_OVERLOAD_SIMULATION_HPP

#include <resilience/circuit_breaker.hpp>
#include <resilience/random.hpp>
#include <resilience/retry_budget.hpp>
#include <resilience/retry_state.hpp>
#include <resilience/throttle.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

namespace resilience::simulation {

/// What a fleet of clients does to one server, and what befalls the server.
struct Scenario {
    /// Clients, each a process with policies of its own.
    std::size_t clients = 20;
    /// Calls a second that all of them make together, at random instants.
    double load = 140;
    /// Attempts that the server completes in a second, in their order.
    double capacity = 200;
    /// Attempts that wait at the server; one more is refused at once.
    std::size_t backlog = 1000;
    /// How long a client waits for an answer. The server does not know that it gave up.
    std::chrono::nanoseconds timeout = std::chrono::seconds{1};
    /// What the capacity is multiplied by during the trigger, from second 30 on.
    double trigger = 0.2;
    std::chrono::nanoseconds trigger_length = std::chrono::seconds{30};
    /// After the trigger the capacity grows back to its full in this time.
    std::chrono::nanoseconds warm_up{0};
    /// When the fleet stops making calls, seconds.
    int length = 180;

    RetryOptions retry{.attempts = 4, .cap = std::chrono::seconds{2}, .idempotent = true};
    std::optional<RetryBudgetOptions> budget{};
    std::optional<ThrottleOptions> throttle{};
    std::optional<CircuitBreakerOptions> breaker{};
    std::uint64_t seed = 1;
};

/// What happened in one second.
struct Second {
    int calls = 0;    // began
    int served = 0;   // of these, ended in success, whenever
    int sent = 0;     // attempts that reached the server
    int refused = 0;  // attempts that the throttle or the breaker refused
};

/// A simulation of discrete events in virtual time.
class Simulation {
public:
    static constexpr TimePoint kStart{std::chrono::hours{1}};

    explicit Simulation(const Scenario& scenario)
        : scenario_(scenario), policy_(scenario.retry), random_(scenario.seed) {
        for (std::size_t i = 0; i < scenario.clients; ++i) {
            clients_.push_back(std::make_unique<Client>(scenario));
        }
    }

    /// Runs to the end; the seconds in which calls began.
    std::vector<Second> run() {
        seconds_.assign(static_cast<std::size_t>(scenario_.length), {});
        at(kStart, Kind::arrival, 0);
        while (!events_.empty()) {
            const Event event = events_.top();
            events_.pop();
            now_ = event.time;
            switch (event.kind) {
                case Kind::arrival:
                    arrive();
                    break;
                case Kind::attempt:
                    attempt(event.subject);
                    break;
                case Kind::served:
                    serve();
                    break;
                case Kind::timeout:
                    end_attempt(event.subject, {Verdict::transient, true});
                    break;
            }
        }
        return seconds_;
    }

private:
    enum class Kind { arrival, attempt, served, timeout };

    struct Event {
        TimePoint time;
        std::uint64_t order;
        Kind kind;
        std::size_t subject;  // of an attempt its call, of a timeout its attempt
        bool operator<(const Event& other) const {
            return std::pair{time, order} > std::pair{other.time, other.order};
        }
    };

    struct Client {
        explicit Client(const Scenario& s) {
            if (s.budget) budget.emplace(*s.budget, kStart);
            if (s.throttle) throttle.emplace(*s.throttle, NoObserver{}, kStart);
            if (s.breaker) breaker.emplace(*s.breaker);
        }
        std::optional<RetryBudget> budget;
        std::optional<Throttle<>> throttle;
        std::optional<CircuitBreaker<>> breaker;
    };

    struct Call {
        Client* client;
        std::size_t second;  // in which it began
        RetryState state;
        BudgetLease lease{};
    };

    struct Attempt {
        std::size_t call;
        bool waiting = true;  // for an answer
        Throttle<>::Permit permit{};
        std::optional<CircuitBreaker<>::Permit> probe{};
    };

    void at(TimePoint time, Kind kind, std::size_t subject) {
        events_.push({time, order_++, kind, subject});
    }

    static std::chrono::nanoseconds seconds(double s) {
        return std::chrono::nanoseconds{static_cast<std::int64_t>(s * 1e9)};
    }

    std::size_t second() const {
        const auto since =
            std::chrono::duration_cast<std::chrono::seconds>(now_ - kStart);
        return std::min(static_cast<std::size_t>(since.count()), seconds_.size() - 1);
    }

    void arrive() {
        Client& client = *clients_[random_() % clients_.size()];
        if (client.budget) client.budget->deposit(now_);
        ++seconds_[second()].calls;
        calls_.push_back({&client, second(), RetryState{policy_}});
        attempt(calls_.size() - 1);
        const double wait = -std::log(1.0 - fraction_of(random_())) / scenario_.load;
        const TimePoint next = now_ + seconds(wait);
        if (next < kStart + seconds(scenario_.length)) at(next, Kind::arrival, 0);
    }

    void attempt(std::size_t call) {
        const std::size_t id = attempts_.size();
        attempts_.push_back({call});
        Client& client = *calls_[call].client;
        if (client.throttle) {
            attempts_[id].permit = client.throttle->try_acquire(now_, random_());
            if (!attempts_[id].permit) return refuse(id, {});
        }
        if (client.breaker) {
            auto& permit = attempts_[id].probe;
            permit.emplace(client.breaker->try_acquire(now_, random_()));
            if (!*permit) return refuse(id, permit->retry_after());
        }
        calls_[call].lease.sent();
        ++seconds_[second()].sent;
        if (backlog_.size() >= scenario_.backlog)
            return end_attempt(id, {Verdict::transient});
        at(now_ + scenario_.timeout, Kind::timeout, id);
        backlog_.push_back(id);
        if (backlog_.size() == 1) begin_service();
    }

    void refuse(std::size_t id, std::chrono::nanoseconds retry_after) {
        ++seconds_[second()].refused;
        end_attempt(id, {Verdict::ignored, false, retry_after});
    }

    // The share of the capacity that there is now.
    double health() const {
        const TimePoint begin = kStart + std::chrono::seconds{30};
        const TimePoint end = begin + scenario_.trigger_length;
        if (now_ < begin || now_ >= end + scenario_.warm_up) return 1.0;
        if (now_ < end) return scenario_.trigger;
        const double warm = std::chrono::duration<double>(now_ - end) / scenario_.warm_up;
        return scenario_.trigger + (1.0 - scenario_.trigger) * warm;
    }

    void begin_service() {
        at(now_ + seconds(1.0 / (scenario_.capacity * health())), Kind::served, 0);
    }

    // The server works in vain on attempts whose clients have given up.
    void serve() {
        const std::size_t id = backlog_.front();
        backlog_.pop_front();
        if (!backlog_.empty()) begin_service();
        if (attempts_[id].waiting) ++seconds_[calls_[attempts_[id].call].second].served;
        end_attempt(id, {Verdict::success});
    }

    void end_attempt(std::size_t id, const Classification& end) {
        if (!std::exchange(attempts_[id].waiting, false)) return;
        Call& call = calls_[attempts_[id].call];
        std::move(attempts_[id].permit).done(end.verdict, now_);
        if (attempts_[id].probe) std::move(*attempts_[id].probe).done(end.verdict, now_);
        std::move(call.lease).done(end.verdict);
        RetryBudget* const budget = call.client->budget ? &*call.client->budget : nullptr;
        RetryDecision again =
            call.state.next(end, now_, RetryState::no_deadline, random_(), budget);
        if (!again) return;
        call.lease = std::move(again.lease);
        at(now_ + again.delay, Kind::attempt, attempts_[id].call);
    }

    Scenario scenario_;
    RetryPolicy policy_;
    Random random_;
    TimePoint now_ = kStart;
    std::uint64_t order_ = 0;
    std::priority_queue<Event> events_;
    std::vector<std::unique_ptr<Client>> clients_;
    std::deque<Call> calls_;
    std::deque<Attempt> attempts_;
    std::deque<std::size_t> backlog_;
    std::vector<Second> seconds_;
};

/// What happened from one second to another.
inline Second total(
    const std::vector<Second>& seconds, std::size_t from, std::size_t to
) {
    Second all;
    for (std::size_t i = from; i < to; ++i) {
        all.calls += seconds[i].calls;
        all.served += seconds[i].served;
        all.sent += seconds[i].sent;
        all.refused += seconds[i].refused;
    }
    return all;
}

/// Share of the calls that ended in success.
inline double goodput(const Second& s) { return s.served / static_cast<double>(s.calls); }

/// Attempts that the server saw for each call.
inline double amplification(const Second& s) {
    return s.sent / static_cast<double>(s.calls);
}

}  // namespace resilience::simulation

#endif
