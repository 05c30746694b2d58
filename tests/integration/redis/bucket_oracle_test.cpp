// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <src/redis/bucket_script.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <string>

using namespace resilience;
using namespace resilience::redis;
using namespace resilience::redis::test;
using resilience::redis::detail::BucketCodec;
using resilience::redis::detail::BucketMode;
using namespace std::chrono;

namespace {

__extension__ using Big = __int128;

// A bucket as the definition has it, in numbers that are never reduced: the level counts
// tokens times nanoseconds of the period. Time goes in whole units of the codec.
class Oracle {
public:
    Oracle(const TokenBucketStoreOptions& options, microseconds unit)
        : options_(options),
          period_(options.period.count()),
          full_(Big{static_cast<std::int64_t>(options.burst)} * period_),
          unit_us_(unit.count()) {}

    struct Answer {
        bool admitted = true;
        std::uint64_t remaining = 0;
        std::int64_t wait_us = 0;
        std::int64_t to_full_us = 0;
        friend bool operator==(const Answer&, const Answer&) = default;
    };

    Answer look(const std::string& key, std::uint64_t tokens, std::int64_t now_us) const {
        const auto level = level_at(key, now_us);
        const Big want = Big{static_cast<std::int64_t>(tokens)} * period_;
        Answer answer;
        answer.admitted = level >= want;
        answer.remaining = static_cast<std::uint64_t>(level / period_);
        answer.wait_us = until(key, level, want, now_us);
        answer.to_full_us = until(key, level, full_, now_us);
        return answer;
    }

    void take(const std::string& key, std::uint64_t tokens, std::int64_t now_us) {
        const auto level = level_at(key, now_us);
        auto& bucket = buckets_[key];
        bucket.since_us = std::max(bucket.since_us, whole(now_us));
        bucket.level = level - Big{static_cast<std::int64_t>(tokens)} * period_;
    }

    void forget(const std::string& key) { buckets_.erase(key); }

private:
    struct Bucket {
        std::int64_t since_us = 0;
        Big level = 0;
    };

    std::int64_t whole(std::int64_t us) const { return us - us % unit_us_; }

    Big level_at(const std::string& key, std::int64_t now_us) const {
        const auto found = buckets_.find(key);
        if (found == buckets_.end()) return full_;
        const auto passed =
            std::max<std::int64_t>(0, whole(now_us) - found->second.since_us);
        const Big earned =
            Big{passed} * 1000 * static_cast<std::int64_t>(options_.tokens);
        return std::min(full_, found->second.level + earned);
    }

    // The least time after which the level is reached, counted from now to the start of
    // a unit; nothing is earned before the time of the last update.
    std::int64_t until(const std::string& key, Big level, Big target, std::int64_t now_us)
        const {
        if (level >= target) return 0;
        const Big each =
            Big{unit_us_} * 1000 * static_cast<std::int64_t>(options_.tokens);
        const Big units = (target - level + each - 1) / each;
        const auto start = std::max(whole(now_us), buckets_.at(key).since_us);
        return start + static_cast<std::int64_t>(units) * unit_us_ - now_us;
    }

    TokenBucketStoreOptions options_;
    Big period_;
    Big full_;
    std::int64_t unit_us_;
    std::map<std::string, Bucket> buckets_;
};

// Calls of the real script at times that the test chooses.
class Script {
public:
    Script() : connection_(io_.get_executor(), options()) {
        REQUIRE(ask(io_,
                    connection_,
                    {"SCRIPT", "LOAD", std::string(redis::detail::bucket_script())})
                    .has_value());
    }

    std::vector<BucketDecision> call(
        const BucketCodec& codec,
        BucketMode mode,
        const std::vector<BucketRequest>& requests,
        std::int64_t now_us
    ) {
        const auto wire = codec.encode("EVALSHA", mode, requests, now_us);
        redis::detail::ReplyReader reader(1 << 20);
        reader.feed(wire.bytes());
        Command command;
        const auto framed = reader.next().value();
        for (const auto& part : framed->elements) command.push_back(part.text);
        auto reply = ask(io_, connection_, std::move(command));
        REQUIRE(reply.has_value());
        CAPTURE(reply->text);
        auto decisions = codec.decode(std::move(*reply), requests);
        REQUIRE(decisions.has_value());
        return std::move(*decisions);
    }

    std::int64_t pttl(const std::string& key) {
        return ask(io_, connection_, {"PTTL", key}).value().integer;
    }
    void remove(const std::string& key) {
        REQUIRE(ask(io_, connection_, {"DEL", key}).has_value());
    }

private:
    static ConnectionOptions options() {
        auto options = shared_server();
        options.request_timeout = seconds{10};
        options.silence_limit = seconds{10};
        return options;
    }

    net::io_context io_;
    Connection connection_;
};

template <class Range>
auto pick(std::mt19937_64& random, const Range& range) {
    return range[random() % std::size(range)];
}

// A limit that is counted in microseconds, or in a coarser unit.
TokenBucketStoreOptions random_limit(std::mt19937_64& random, bool coarse) {
    const std::uint64_t amounts[] = {
        1, 2, 3, 7, 10, 100, 997, 1'000, 65'521, 1'000'000, 1'000'000'007};
    const nanoseconds periods[] = {
        microseconds{1},
        nanoseconds{1'009},
        milliseconds{1},
        milliseconds{700},
        seconds{1},
        seconds{60},
        hours{1},
        hours{24},
        hours{24 * 31},
        hours{24 * 366}};
    for (;;) {
        TokenBucketStoreOptions limit{
            .tokens = pick(random, amounts),
            .period = pick(random, periods),
            .burst = pick(random, amounts),
            .prefix = fresh_prefix(),
            .min_ttl = minutes{10},
        };
        try {
            const auto unit = redis::detail::make_terms(limit).unit;
            if (coarse == (unit > microseconds{1})) return limit;
        } catch (const std::invalid_argument&) {
            // Not a limit that can be counted; take another.
        }
    }
}

}  // namespace

TEST_CASE("P13, P4: 18,000 random calls of the script agree with a big-integer oracle") {
    Script script;
    std::mt19937_64 random(20'240'601);
    std::size_t calls = 0;
    std::size_t refusals = 0;
    std::size_t lives = 0;
    while (calls < 18'000) {
        const auto limit = random_limit(random, calls % 300 == 0);
        const BucketCodec codec(limit);
        const auto unit = codec.terms().unit;
        Oracle oracle(limit, unit);
        struct Life {
            std::int64_t ms;
            steady_clock::time_point since;
        };
        std::map<std::string, Life> written;
        std::int64_t now = 1'600'000'000'000'000 +
                           static_cast<std::int64_t>(random() % 1'000'000'000'000);
        std::int64_t last_wait = 1;
        for (int round = 0; round < 60; ++round, ++calls) {
            // Steps that stay, that fall short of or hit the last wait, far and backward.
            const std::int64_t steps[] = {
                0,
                1,
                static_cast<std::int64_t>(random() % 2'000'000),
                std::min<std::int64_t>(last_wait, 1'000'000'000'000'000),
                std::max<std::int64_t>(last_wait - 1, 0) % 1'000'000'000'000'000,
                static_cast<std::int64_t>(random() % 100'000'000'000),
                -static_cast<std::int64_t>(random() % 3'000'000)};
            now += pick(random, steps);
            if (now > 4'000'000'000'000'000) now -= 2'000'000'000'000'000;

            const auto mode = pick(
                random, std::array{BucketMode::check, BucketMode::each, BucketMode::all}
            );
            std::vector<BucketRequest> requests;
            std::vector<std::string> names{"a", "b", "c", "d"};
            std::shuffle(names.begin(), names.end(), random);
            const auto wanted = 1 + random() % 4;
            for (std::size_t i = 0; i < wanted; ++i) {
                const auto& name =
                    mode == BucketMode::each ? pick(random, names) : names[i];
                const auto burst = limit.burst;
                const std::uint64_t amounts[] = {
                    0, 1, burst, random() % (burst + 1), random() % (burst / 3 + 1)};
                requests.push_back({name, pick(random, amounts)});
            }

            const auto called = steady_clock::now();
            const auto decisions = script.call(codec, mode, requests, now);
            std::vector<Oracle::Answer> expected;
            bool all_fit = true;
            for (const auto& request : requests) {
                all_fit =
                    all_fit && oracle.look(request.key, request.tokens, now).admitted;
            }
            std::vector<std::string> changed;
            for (const auto& [key, tokens] : requests) {
                const auto before = oracle.look(key, tokens, now);
                const bool take =
                    before.admitted && tokens > 0 &&
                    (mode == BucketMode::each || (mode == BucketMode::all && all_fit));
                if (take) {
                    oracle.take(key, tokens, now);
                    changed.push_back(key);
                }
                auto after = oracle.look(key, tokens, now);
                after.admitted = before.admitted;
                after.wait_us = before.wait_us;
                expected.push_back(after);
            }
            for (std::size_t i = 0; i < requests.size(); ++i) {
                const auto& got = decisions[i];
                const Oracle::Answer answer{
                    got.admission.admitted,
                    got.remaining,
                    got.admission.retry_after / microseconds{1},
                    got.time_to_full / microseconds{1}};
                CAPTURE(limit.tokens);
                CAPTURE(limit.period.count());
                CAPTURE(limit.burst);
                CAPTURE(requests[i].tokens);
                REQUIRE(answer.admitted == expected[i].admitted);
                REQUIRE(answer.remaining == expected[i].remaining);
                REQUIRE(answer.wait_us == expected[i].wait_us);
                REQUIRE(answer.to_full_us == expected[i].to_full_us);
                if (!answer.admitted) {
                    ++refusals;
                    last_wait = answer.wait_us;
                }
            }
            for (const auto& key : changed) {
                const auto rest = oracle.look(key, 0, now).to_full_us;
                const auto phase = now % unit.count();
                const auto ms = (rest + phase + 999) / 1000 + 1;
                lives += ms > 600'000 ? 1 : 0;
                written[key] = {std::max<std::int64_t>(600'000, ms), called};
            }
            const auto& key = requests.front().key;
            const auto left = script.pttl(limit.prefix + key);
            if (const auto life = written.find(key); life != written.end()) {
                const auto passed =
                    (steady_clock::now() - life->second.since) / milliseconds{1};
                REQUIRE(left <= life->second.ms);
                REQUIRE(left >= life->second.ms - passed - 2);
            } else {
                REQUIRE(left == -2);
            }
            // P10: a full bucket is the same as none.
            if (oracle.look(key, limit.burst, now).admitted) {
                script.remove(limit.prefix + key);
                oracle.forget(key);
                written.erase(key);
            }
        }
        for (const auto& [key, life] : written) script.remove(limit.prefix + key);
    }
    CHECK(refusals > 3'000);
    CHECK(lives > 1'000);
}

TEST_CASE("P12, M5: a refused group changes no level, an admitted one changes each") {
    Script script;
    const TokenBucketStoreOptions limit{
        .tokens = 1, .period = hours{1}, .burst = 10, .prefix = fresh_prefix()};
    const BucketCodec codec(limit);
    std::mt19937_64 random(3);
    std::map<std::string, std::uint64_t> levels;
    for (const auto* key : {"a", "b", "c", "d"}) levels[key] = 10;
    constexpr std::int64_t now = 1'700'000'000'000'000;
    std::size_t refused = 0;
    for (int round = 0; round < 300; ++round) {
        std::vector<BucketRequest> group;
        bool fits = true;
        for (const auto& [key, level] : levels) {
            if (random() % 3 == 0) continue;
            group.push_back({key, random() % 3});
            fits = fits && level >= group.back().tokens;
        }
        if (group.empty()) continue;
        const auto decisions = script.call(codec, BucketMode::all, group, now);
        refused += fits ? 0 : 1;
        for (std::size_t i = 0; i < group.size(); ++i) {
            const auto& [key, tokens] = group[i];
            if (fits) levels[key] -= tokens;
            CHECK(decisions[i].remaining == levels[key]);
        }
    }
    CHECK(refused > 20);
    for (const auto& [key, level] : levels) script.remove(limit.prefix + key);
}

TEST_CASE("P8: a new limit keeps whole tokens, fills up to its burst and mints none") {
    Script script;
    TokenBucketStoreOptions limit{
        .tokens = 1, .period = seconds{1}, .burst = 10, .prefix = fresh_prefix()};
    constexpr std::int64_t now = 1'700'000'000'000'000;
    script.call(BucketCodec(limit), BucketMode::each, {{"a", 4}}, now);

    limit.period = nanoseconds{333'333'000};
    const auto faster =
        script.call(BucketCodec(limit), BucketMode::check, {{"a", 1}}, now + 100'000);
    CHECK(faster[0].remaining == 6);

    limit.burst = 3;
    const auto smaller =
        script.call(BucketCodec(limit), BucketMode::check, {{"a", 3}}, now);
    CHECK(smaller[0].remaining == 3);
    CHECK(smaller[0].time_to_full == nanoseconds{0});

    limit.burst = 100;
    const auto larger =
        script.call(BucketCodec(limit), BucketMode::check, {{"a", 100}}, now);
    CHECK(larger[0].remaining == 6);
    CHECK_FALSE(larger[0].admission.admitted);
    script.remove(limit.prefix + "a");
}
