// SPDX-License-Identifier: MIT
#include "isolating_source.hpp"

#include "bisection.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::detail {
namespace {

// When so many verdicts are refused and none was taken, the source may be what is broken.
constexpr std::size_t most_refused = 16;

// So many rows in a row that cannot be claimed are the source's fault.
constexpr std::size_t most_suspects = 64;

constexpr int most_rounds = 64;
constexpr std::size_t most_reach = 10'000;

// Plain ASCII: the text must not be what the next call is refused for.
std::string reason(const char* what, const Failure& refusal) {
    std::string text = what + refusal.message();
    const auto odd = [](char c) { return c == '\0' || static_cast<signed char>(c) < 0; };
    std::replace_if(text.begin(), text.end(), odd, '?');
    return text;
}

}  // namespace

net::awaitable<IsolatingSource::Settling> IsolatingSource::settle(
    std::vector<Settlement> verdicts
) {
    Settling result;
    std::vector<Refused> refused;
    Bisection parts(verdicts.size());
    while (const auto part = parts.next()) {
        const auto first = verdicts.begin() + static_cast<std::ptrdiff_t>(part->first);
        std::vector<Settlement> some(
            first, first + static_cast<std::ptrdiff_t>(part->count)
        );
        const auto done = co_await source_.settle(some);
        if (done) {
            settles_ = true;
            std::move(some.begin(), some.end(), std::back_inserter(result.settled));
            parts.decide();
        } else if (!blames_rows(done.error())) {
            result.failure = done.error();
            break;
        } else if (part->count > 1) {
            parts.split();
        } else {
            refused.push_back({std::move(some.front()), done.error()});
            parts.decide();
            if (result.settled.empty() && refused.size() == most_refused) break;
        }
    }
    co_await give_up(std::move(refused), result);
    if (const auto rest = parts.next()) {
        const auto first = verdicts.begin() + static_cast<std::ptrdiff_t>(rest->first);
        std::move(first, verdicts.end(), std::back_inserter(result.left));
    }
    co_return result;
}

net::awaitable<void> IsolatingSource::give_up(
    std::vector<Refused> refused, Settling& result
) {
    for (auto& one : refused) {
        if (result.failure) {
            result.left.push_back(std::move(one.verdict));
            continue;
        }
        result.isolated.refusal = one.refusal.message();
        // What was not delivered is only given up by a source that is known to work.
        const bool delivered = one.verdict.disposition == Disposition::sent;
        if (!delivered && !settles_) {
            ++result.isolated.skipped;
            continue;
        }
        std::vector<Settlement> some{one.verdict};
        some.front().disposition = Disposition::failed;
        some.front().error = reason("the outbox refused to settle it: ", one.refusal);
        const auto done = co_await source_.settle(std::move(some));
        if (done) {
            ++result.isolated.failed;
        } else if (blames_rows(done.error())) {
            ++result.isolated.skipped;
        } else {
            result.failure = done.error();
            result.left.push_back(std::move(one.verdict));
        }
    }
    // To go on at once would deliver ever more rows that cannot be settled.
    const bool none_taken = result.settled.empty() && result.isolated.failed == 0;
    if (!result.failure && none_taken && !refused.empty()) {
        result.failure = refused.back().refusal;
    }
}

net::awaitable<IsolatingSource::Claim> IsolatingSource::claim(std::size_t limit) {
    Claim result;
    for (int rounds = 0;;) {
        const std::size_t wanted = std::min(limit, reach_);
        auto claimed = co_await source_.claim(wanted);
        const bool refused = !claimed && blames_rows(claimed.error());
        if (refused && wanted > 1) {
            reach_ = wanted / 2;
            continue;
        }
        if (!refused || ++rounds > most_rounds) {
            if (claimed) reach_ = std::min(reach_ * 2, most_reach);
            if (claimed && !claimed->empty()) claims_ = true;
            result.events = std::move(claimed);
            co_return result;
        }
        const auto before = result.isolated.failed + result.isolated.skipped;
        const auto done = co_await isolate_first(result.isolated);
        const auto after = result.isolated.failed + result.isolated.skipped;
        if (!done || after == before) {
            result.events = done ? claimed.error() : done.error();
            co_return result;
        }
    }
}

net::awaitable<Result<void>> IsolatingSource::isolate_first(Isolated& isolated) {
    auto suspects = co_await find_suspects();
    if (!suspects) {
        source_.leave_out(skipped_);
        co_return suspects.error();
    }
    while (!suspects->empty()) {
        const auto suspect = suspects->back();
        suspects->pop_back();
        leave_out(*suspects);
        // The source may have failed for a while and recovered since.
        const auto again = co_await source_.probe();
        source_.leave_out(skipped_);
        if (!again) co_return again.error();
        if (!again->refusal || again->seq != suspect) continue;

        bool failed = false;
        if (claims_) {
            auto error = reason("the outbox refused to claim it: ", *again->refusal);
            const auto done = co_await source_.give_up(suspect, std::move(error));
            if (!done && !blames_rows(done.error())) co_return done.error();
            failed = done.has_value();
        }
        if (!failed) {
            skipped_.push_back(suspect);
            source_.leave_out(skipped_);
        }
        ++(failed ? isolated.failed : isolated.skipped);
        isolated.refusal = again->refusal->message();
    }
    co_return Result<void>{};
}

// The first rows that must be left out so that the source claims: a row is only blamed
// when its absence helps.
net::awaitable<Result<std::vector<std::int64_t>>> IsolatingSource::find_suspects() {
    std::vector<std::int64_t> suspects;
    for (;;) {
        leave_out(suspects);
        const auto probe = co_await source_.probe();
        if (!probe) co_return probe.error();
        if (!probe->refusal) {
            if (probe->seq) claims_ = true;
            co_return suspects;
        }
        const bool enough = suspects.size() + skipped_.size() >= most_suspects;
        if (!probe->seq || enough) co_return *probe->refusal;
        suspects.push_back(*probe->seq);
    }
}

void IsolatingSource::leave_out(const std::vector<std::int64_t>& suspects) {
    auto rows = skipped_;
    rows.insert(rows.end(), suspects.begin(), suspects.end());
    source_.leave_out(std::move(rows));
}

void IsolatingSource::forget() {
    claims_ = settles_ = false;
    if (skipped_.empty()) return;
    skipped_.clear();
    source_.leave_out({});
}

}  // namespace resilience::detail
