// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_BREAKER_EXPLORER_HPP
#define TESTS_UNIT_CORE_BREAKER_EXPLORER_HPP

#include <resilience/detail/breaker_law.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <set>
#include <string>

namespace resilience::testing {

using namespace resilience::detail;

inline constexpr std::int64_t kTick = BreakerWord::kLeaseTick;
inline constexpr std::int64_t kNow = 1'000'000 * kTick;
inline constexpr Generation kGeneration = 1000;
inline constexpr std::uint64_t kRandom[] = {0, std::numeric_limits<std::uint64_t>::max()};

/// A word and the permits that are out, with time told relative to now and generations
/// relative to the word's: whatever behaves alike is one node.
struct Node {
    CircuitState state = CircuitState::closed;
    std::int64_t left = -1;  // ticks to the payload's instant, or -1 without one
    std::uint32_t in_flight = 0;
    std::uint32_t ok = 0;
    std::uint32_t bad = 0;
    std::uint32_t live = 0;    // permits of this generation that will report
    std::uint32_t leaked = 0;  // permits of this generation that never will
    std::uint32_t stale = 0;   // permits of earlier generations
    std::uint32_t proven = 0;  // successes reported by permits of this generation
    std::size_t law = 0;

    auto operator<=>(const Node&) const = default;
};

/** Walks every state that a breaker of either of two laws can get into, by the functions
    that the breaker itself calls, and checks what must hold in each; the laws may be
    exchanged at any moment.
*/
class Explorer {
public:
    explicit Explorer(std::array<BreakerLaw, 2> laws) : laws_{laws} {}

    void run() {
        visit(Node{});
        while (!queue_.empty()) {
            node_ = queue_.front();
            queue_.pop_front();
            word_ = word_of(node_);
            check_node();
            acquire();
            report();
            command();
            wait();
            leak();
            swap_law();
        }
    }

    std::size_t nodes() const { return seen_.size(); }
    std::size_t edges() const { return edges_; }
    bool reached(CircuitState s) const {
        return std::any_of(seen_.begin(), seen_.end(), [&](const Node& n) {
            return n.state == s;
        });
    }

private:
    static constexpr std::uint32_t kMostPermits = 6;

    const BreakerLaw& law() const { return laws_[node_.law]; }

    // One assertion for each visit would be most of the running time.
    void demand(bool holds, const char* what) {
        if (!holds) FAIL_CHECK(std::string{what} << " in " << show());
    }

    std::string show() const {
        const Node& n = node_;
        return std::string{to_string(n.state)} + " left=" + std::to_string(n.left) +
               " in_flight=" + std::to_string(n.in_flight) +
               " ok=" + std::to_string(n.ok) + " bad=" + std::to_string(n.bad) +
               " live=" + std::to_string(n.live) + " leaked=" + std::to_string(n.leaked) +
               " stale=" + std::to_string(n.stale) + " law=" + std::to_string(n.law);
    }

    static BreakerWord word_of(const Node& n) {
        if (n.state == CircuitState::half_open) {
            const auto lease = static_cast<std::uint32_t>(
                (kNow / kTick + n.left) % BreakerWord::kLeaseTicks
            );
            return {
                n.state,
                kGeneration,
                BreakerWord::payload_of(ProbeRound{n.in_flight, n.ok, n.bad, lease})};
        }
        if (n.left < 0) return {n.state, kGeneration};
        return {n.state, kGeneration, BreakerWord::payload_of(kNow + n.left * kTick)};
    }

    /// The node of a word that followed from this node's.
    Node node_of(BreakerWord w) const {
        Node n = node_;
        if (w.generation() != kGeneration) {
            n.stale = std::min(n.stale + n.live, kMostPermits);
            n.live = n.leaked = n.proven = 0;
        }
        n.state = w.state();
        n.in_flight = n.ok = n.bad = 0;
        n.left = -1;
        if (w.state() == CircuitState::half_open) {
            const ProbeRound r = w.round();
            n.in_flight = r.in_flight;
            n.ok = r.ok;
            n.bad = r.bad;
            n.left = law().lease_left(r.lease, kNow) / kTick;
        } else if (w.payload() != 0) {
            n.left = std::max<std::int64_t>(0, (w.instant() - kNow) / kTick);
        }
        return n;
    }

    void visit(const Node& n) {
        ++edges_;
        if (seen_.insert(n).second) queue_.push_back(n);
    }

    /// Follows a transition that changed the word.
    void follow(BreakerWord next) {
        const bool renamed = next.generation() != kGeneration;
        if (renamed) {
            demand(next.generation() == kGeneration + 1, "a transition counts one");
        } else {
            demand(next.state() == node_.state, "each change of state is numbered");
        }
        visit(node_of(next));
    }

    void check_node() {
        const std::uint32_t used = node_.in_flight + node_.ok + node_.bad;
        if (node_.state == CircuitState::half_open) {
            demand(
                node_.in_flight == node_.live + node_.leaked,
                "(i) every slot in use belongs to a permit"
            );
            demand(node_.ok == node_.proven, "(iv) what counts as success was one");
            demand(
                used <= std::max(laws_[0].probes, laws_[1].probes),
                "(ii) no more probes than allowed"
            );
        }
        if (node_.state == CircuitState::half_open && node_.in_flight == 0) {
            demand(
                law().on_acquire(word_, kNow, kRandom[1]).admitted,
                "(v) a call is admitted at once when no probe is out"
            );
        }
        if (node_.state == CircuitState::forced_open) return;
        // No permit reports any more, be it leaked or not yet done, and time passes.
        demand(
            law().on_acquire(word_, kNow + 1000 * kTick, kRandom[1]).admitted,
            "(v, vi) a call is admitted in the end"
        );
    }

    void acquire() {
        for (const std::uint64_t random : kRandom) {
            const BreakerAnswer a = law().on_acquire(word_, kNow, random);
            if (!a.admitted) {
                demand(a.next == word_, "(vii) a refusal changes nothing");
                check_wait(a.wait, random);
                continue;
            }
            demand(
                node_.state != CircuitState::forced_open, "(viii) forced open stays shut"
            );
            demand(
                a.next.state() == CircuitState::half_open || a.next == word_ ||
                    ((node_.left == 0 || law().slow_start == 0) &&
                     a.next == word_.without_payload()),
                "an admission changes nothing but probes and a slow start that is over"
            );
            demand(
                !BreakerLaw::is_plain(word_) || a.next == word_,
                "a plainly closed circuit stays as it is"
            );
            Node n = node_of(a.next);
            if (n.live + n.stale >= kMostPermits) continue;
            ++n.live;
            visit(n);
        }
    }

    void check_wait(std::int64_t wait, std::uint64_t random) {
        if (node_.state == CircuitState::forced_open) {
            demand(wait == BreakerLaw::kNever, "no wait helps when forced open");
            return;
        }
        demand(wait > 0, "a refusal names a wait");
        demand(
            law().on_acquire(word_, kNow + wait, random).admitted,
            "who waits as long as told is admitted"
        );
    }

    void report() {
        for (const Verdict v :
             {Verdict::success,
              Verdict::slow,
              Verdict::client_error,
              Verdict::transient,
              Verdict::throttled,
              Verdict::permanent,
              Verdict::ignored,
              Verdict::abandoned}) {
            demand(
                law().on_outcome(word_, kGeneration - 1, v, kNow) == word_,
                "(iii) a stale outcome changes nothing"
            );
            if (node_.live > 0) report_live(v);
        }
        if (node_.stale > 0) {
            Node n = node_;
            --n.stale;
            visit(n);
        }
        demand(
            law().on_trip(word_, kGeneration - 1, kNow) == word_,
            "(iii) a stale trip changes nothing"
        );
        const BreakerWord tripped = law().on_trip(word_, kGeneration, kNow);
        if (node_.state != CircuitState::closed) {
            demand(tripped == word_, "only a closed circuit trips");
        } else {
            demand(tripped.state() == CircuitState::open, "a closed circuit trips");
            follow(tripped);
        }
    }

    void report_live(Verdict v) {
        const BreakerWord next = law().on_outcome(word_, kGeneration, v, kNow);
        const bool uncounted = v == Verdict::ignored || v == Verdict::abandoned;
        const bool bad = is_failure(v) || (v == Verdict::slow && law().slow_probe_fails);
        const bool good = !bad && !uncounted;
        const Node before = node_;
        if (node_.state == CircuitState::half_open) {
            const std::uint32_t proven = node_.proven + (good ? 1 : 0);
            const bool closes = next.state() == CircuitState::closed;
            demand(
                closes == (good && proven >= law().close_after),
                "(iv) closes after so many real successes, and only then"
            );
            const bool opens = next.state() == CircuitState::open;
            demand(
                opens == (bad && node_.bad + 1 >= law().reopen_after),
                "reopens after so many failures, and only then"
            );
            node_.proven = proven;
        } else {
            demand(next == word_, "outside half-open the word takes no outcomes");
        }
        --node_.live;
        follow(next);
        node_ = before;
    }

    void command() {
        struct Case {
            BreakerCommand command;
            CircuitState target;
        };
        for (const auto [command, target] :
             {Case{BreakerCommand::force_open, CircuitState::forced_open},
              Case{BreakerCommand::force_closed, CircuitState::forced_closed},
              Case{BreakerCommand::metrics_only, CircuitState::metrics_only},
              Case{BreakerCommand::reset, CircuitState::closed}}) {
            const BreakerWord next = BreakerLaw::on_command(word_, command);
            demand(next.state() == target, "(viii) a command is obeyed");
            follow(next);
        }
        const BreakerWord next = BreakerLaw::on_command(word_, BreakerCommand::renumber);
        demand(next.state() == node_.state, "a new number is not a new state");
        demand(next.payload() == word_.payload(), "a new number mints no permit");
        follow(next);
    }

    void wait() {
        const BreakerWord polled = BreakerLaw::poll(word_, kNow);
        if (polled != word_) {
            demand(node_.state == CircuitState::open, "only an open circuit ripens");
            demand(node_.left == 0, "an open circuit stays open for its time");
            demand(polled.state() == CircuitState::half_open, "open, then half-open");
            follow(polled);
        }
        Node later = node_;
        if (later.left > 0) --later.left;
        visit(later);
    }

    void leak() {
        if (node_.live == 0) return;
        Node n = node_;
        --n.live;
        if (n.state == CircuitState::half_open) ++n.leaked;
        visit(n);
    }

    void swap_law() {
        Node n = node_;
        n.law = 1 - n.law;
        visit(n);
    }

    std::array<BreakerLaw, 2> laws_;
    std::set<Node> seen_;
    std::deque<Node> queue_;
    Node node_;
    BreakerWord word_;
    std::size_t edges_ = 0;
};

}  // namespace resilience::testing

#endif
