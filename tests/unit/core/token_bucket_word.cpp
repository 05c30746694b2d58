// SPDX-License-Identifier: MIT
#include <resilience/detail/bucket_law.hpp>
#include <resilience/detail/bucket_word.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <vector>

using namespace std::chrono_literals;
using resilience::detail::BucketLaw;
using resilience::detail::BucketWord;
using resilience::detail::Decision;

// What another thread does between a decision and its exchange is done here inside the
// decision, so that it happens at that very place, every time.

namespace {

BucketLaw one_in_ten_seconds() {
    return resilience::detail::make_bucket_law(
        {.tokens = 1, .period = 10s, .burst = 10, .range = BucketWord::kRange}
    );
}

bool take(BucketWord& bucket, std::uint32_t n, std::int64_t at) {
    return bucket.update(at, [n](const BucketWord::View& view) {
        const std::int64_t next = view.law.taken(view.zero, view.now, n);
        const bool fits = next <= view.now;
        return Decision<bool>{fits, next, fits};
    });
}

}  // namespace

TEST_CASE("ticks and moments are rounded down, also before the epoch") {
    const BucketLaw law = resilience::detail::make_bucket_law(
        {.tokens = 1, .period = 24h, .burst = 1u << 31, .range = BucketWord::kRange}
    );
    REQUIRE(law.tick > 1);
    CHECK(law.tick_of(-1) == -1);
    CHECK(law.tick_of(0) == 0);
    CHECK(law.tick_of(-std::int64_t{law.tick}) == -1);
    CHECK(law.moment(2 * std::int64_t{law.tick} - 1).units == std::int64_t{law.rate});
    CHECK(law.moment(2 * std::int64_t{law.tick} - 1).phase == law.tick - 1);
    CHECK(law.moment(law.span).units == law.span / law.tick * law.rate);
}

TEST_CASE("a decision overtaken by another is made again") {
    BucketWord bucket{one_in_ten_seconds()};
    REQUIRE(take(bucket, 1, 0));
    int decisions = 0;
    bucket.update(0, [&](const BucketWord::View& view) {
        if (++decisions == 1) REQUIRE(take(bucket, 4, 0));
        const std::int64_t next = view.law.taken(view.zero, view.now, 5);
        return Decision<bool>{true, next, next <= view.now};
    });
    CHECK(decisions == 2);
    CHECK_FALSE(take(bucket, 1, 0));
}

TEST_CASE("a change is announced only when it has a place, and a refusal never") {
    BucketWord bucket{one_in_ten_seconds()};
    int decisions = 0;
    std::vector<int> announced_after;
    // The first decision needs a rebase.
    const auto decide = [&](const BucketWord::View& view) {
        ++decisions;
        return Decision<bool>{true, view.law.taken(view.zero, view.now, 1), true};
    };
    const auto announce = [&] { announced_after.push_back(decisions); };
    CHECK(bucket.update(0, decide, announce));
    CHECK(announced_after == std::vector{2});
    CHECK_FALSE(take(bucket, 10, 0));
    CHECK(take(bucket, 9, 0));

    const auto refuse = [](const BucketWord::View&) {
        return Decision<bool>{false, 0, false};
    };
    CHECK_FALSE(bucket.update(0, refuse, announce));
    CHECK(announced_after.size() == 1);
}

TEST_CASE("a change overtaken after it was announced is decided and announced again") {
    BucketWord bucket{one_in_ten_seconds()};
    REQUIRE(take(bucket, 1, 0));
    int announced = 0;
    const auto decide = [](const BucketWord::View& view) {
        const std::int64_t next = view.law.taken(view.zero, view.now, 5);
        return Decision<bool>{true, next, next <= view.now};
    };
    CHECK(bucket.update(0, decide, [&] {
        if (++announced == 1) REQUIRE(take(bucket, 4, 0));
    }));
    CHECK(announced == 2);
    CHECK_FALSE(take(bucket, 1, 0));
}

TEST_CASE("a late clock between a rebase and its taking does not find the bucket full") {
    BucketWord bucket{one_in_ten_seconds()};
    const std::int64_t early = -(std::int64_t{1} << 61);
    const std::int64_t late = std::int64_t{1} << 61;
    REQUIRE(take(bucket, 10, early));
    int decisions = 0;
    bucket.update(late, [&](const BucketWord::View& view) {
        // The first decision finds the base too old; by the second it has been moved on.
        if (++decisions == 2) CHECK_FALSE(take(bucket, 1, early + 1));
        return Decision<bool>{true, view.law.taken(view.zero, view.now, 10), true};
    });
    CHECK(decisions == 2);
    CHECK_FALSE(take(bucket, 1, late));
}

TEST_CASE("whoever is overtaken by a rebase decides again in terms of the new base") {
    BucketWord bucket{one_in_ten_seconds()};
    REQUIRE(take(bucket, 5, 0));
    const std::int64_t late = std::int64_t{1} << 61;
    int decisions = 0;
    bucket.update(0, [&](const BucketWord::View& view) {
        if (++decisions == 1) REQUIRE(take(bucket, 5, late));
        const std::int64_t next = view.law.taken(view.zero, view.now, 5);
        return Decision<bool>{true, next, next <= view.now};
    });
    // At time 0 by a clock that is 73 years late, the bucket counts as empty.
    CHECK(decisions == 2);
    CHECK(take(bucket, 5, late));
    CHECK_FALSE(take(bucket, 1, late));
}

TEST_CASE("threads that rebase at once agree on the base that was proposed first") {
    const BucketLaw law = one_in_ten_seconds();
    BucketWord bucket{law};
    const std::int64_t word = bucket.word();
    const std::int64_t proposed = bucket.propose_base(law, word, 1'000);
    CHECK(bucket.propose_base(law, word, 1'000'000) == proposed);
    // A taking adopts it, whatever its own clock says, and afterwards nothing can change
    // it.
    REQUIRE(take(bucket, 10, 2'000));
    CHECK_FALSE(take(bucket, 1, 2'000));
    bucket.propose_base(law, word, 3'000'000);
    CHECK_FALSE(take(bucket, 1, 2'000));
    CHECK(take(bucket, 1, 10'000'002'000));
}

TEST_CASE("a thread with a word of long ago does not move the base in use") {
    const BucketLaw law = one_in_ten_seconds();
    BucketWord bucket{law};
    const std::int64_t old = bucket.word();
    REQUIRE(take(bucket, 10, 0));
    const std::int64_t late = std::int64_t{1} << 61;
    bucket.propose_base(law, bucket.word(), late);
    bucket.propose_base(law, old, 2 * late - 1);
    CHECK_FALSE(take(bucket, 1, 0));
    CHECK(take(bucket, 1, 10'000'000'000));
}
