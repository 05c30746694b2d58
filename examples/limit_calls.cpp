// SPDX-License-Identifier: MIT
// Limits calls with one bucket, then with one bucket per user.
//
// Run:    example_limit_calls
// Prints: which calls are admitted and, for the others, when to come back.
//
// Time is made up here, so the output never changes; leave out the last argument of each
// call to use the real clock.
#include <resilience/keyed_limiter.hpp>
#include <resilience/token_bucket.hpp>

#include <chrono>
#include <iostream>
#include <string_view>

using namespace std::chrono_literals;
using resilience::Admission;
using resilience::TimePoint;

namespace {

void print(std::string_view what, const Admission& answer) {
    using std::chrono::duration_cast;
    using std::chrono::milliseconds;
    std::cout << what << ": ";
    if (answer) {
        std::cout << "admitted\n";
    } else if (answer.retry_after == Admission::never) {
        std::cout << "can never be admitted\n";
    } else {
        std::cout << "retry in "
                  << duration_cast<milliseconds>(answer.retry_after).count() << " ms\n";
    }
}

/// Five calls a second, and up to ten at once after a rest.
void limit_one_resource(TimePoint start) {
    resilience::TokenBucket bucket{
        {.tokens = 5, .period = 1s, .burst = 10, .max_debt = 10}};

    print("a burst of 10", bucket.try_acquire(10, start));
    print("one more", bucket.try_acquire(1, start));
    print("one more after 200 ms", bucket.try_acquire(1, start + 200ms));
    print("11 at once", bucket.try_acquire(11, start));

    // Work that has come in already is better delayed than refused: queue behind the
    // others.
    TimePoint now = start + 300ms;
    for (const std::string_view job : {"first", "second", "third"}) {
        const resilience::Reservation turn = bucket.reserve(1, now, 450ms);
        const auto wait =
            std::chrono::duration_cast<std::chrono::milliseconds>(turn.wait);
        std::cout << job << " job: "
                  << (turn ? "starts in " : "would wait too long; ask again in ")
                  << wait.count() << " ms\n";
        // The second caller has changed its mind, so its turn goes to the third.
        if (job == "second") bucket.refund(turn, now);
    }

    // A cost known only afterwards, such as bytes sent, is charged when it is known.
    const auto repaid = bucket.charge(20, start + 10s);
    std::cout << "after charging 20: in debt for "
              << std::chrono::duration_cast<std::chrono::seconds>(repaid).count()
              << " s\n";
}

/// Two calls a second for each user, and a hundred for all of them together.
void limit_each_user(TimePoint now) {
    resilience::KeyedLimiter limiter{
        {.limit = {.tokens = 2, .period = 1s, .burst = 3}, .keys = 1000}, now};

    print("ann, 3 calls", limiter.try_acquire("ann", 3, now));
    print("ann, one more", limiter.try_acquire("ann", 1, now));
    print("bob, 3 calls", limiter.try_acquire("bob", 3, now));

    // Several keys at once: all or none.
    const resilience::KeyedRequest group[] = {{"cid", 2}, {"bob", 1}};
    print("cid and bob together", limiter.try_acquire_all(group, now));
    std::cout << "cid still has " << limiter.snapshot("cid", now).available << "\n";
    std::cout << "buckets in use: " << limiter.stats(now).keys << "\n";
}

}  // namespace

int main() {
    const TimePoint start{1h};
    limit_one_resource(start);
    limit_each_user(start);
}
