// SPDX-License-Identifier: MIT
#include "bucket_script.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <stdexcept>

namespace resilience::redis::detail {
namespace {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

constexpr std::uint64_t exact = std::uint64_t{1} << 52;
constexpr std::uint64_t most_tokens = 1'000'000'000'000;
constexpr std::chrono::hours year{366 * 24};

// KEYS: the buckets. ARGV: rate, price, full, unit (us), shortest life (ms), mode, then
// the credits wanted from each bucket, then the time (us) in tests. Reply: the part of
// the unit that has passed (us), then for each bucket the wait (units, zero when
// admitted), the credits left, and the time until it is full (units). All reads come
// before the first write, so an error changes nothing. What is no bucket is told by the
// number of its key, which may itself hold bytes that an error line does not take.
constexpr std::string_view script = R"lua(
local rate, price, full, unit = ARGV[1] + 0, ARGV[2] + 0, ARGV[3] + 0, ARGV[4] + 0
local mode = ARGV[6]
local function whole(x) return x >= 0 and x < 9007199254740992 and x % 1 == 0 end
local function foreign(k) return redis.error_reply('CORRUPT key ' .. k) end
local now = ARGV[7 + #KEYS]
if now then
  now = now + 0
else
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local phase = now % unit
now = now - phase
local reply = {phase, 0, 0, 0}
local last, at, took = {}, {}, {}
local refused = false
for k = 1, #KEYS do
  local key = KEYS[k]
  local have, since = full, now
  local before = last[key]
  if before then
    have, since = reply[3 * before], at[before]
  else
    local state = redis.pcall('GET', key)
    if state then
      if state.err and not string.find(state.err, 'WRONGTYPE', 1, true) then
        return state
      end
      if state.err or #state ~= 24 then return foreign(k) end
      local credits, cost
      since, credits, cost = struct.unpack('<ddd', state)
      if not (whole(since) and whole(credits) and whole(cost) and cost > 0) then
        return foreign(k)
      end
      if cost ~= price then credits = (credits - credits % cost) / cost * price end
      local passed = math.floor((now - since) / unit)
      if passed < 0 then passed = 0 else since = now end
      if passed < (full - credits) / rate then have = credits + passed * rate end
    end
  end
  local want, wait = ARGV[6 + k] + 0, 0
  if have < want then
    refused = true
    wait = math.ceil((want - have) / rate) + math.ceil((since - now) / unit)
  elseif mode == '1' and want > 0 then
    have = have - want
    took[key] = true
  end
  last[key], at[k] = k, since
  reply[3 * k - 1], reply[3 * k] = wait, have
end
for k = 1, #KEYS do
  local key, have, rest = KEYS[k], reply[3 * k], 0
  if mode == '2' and not refused then
    local want = ARGV[6 + k] + 0
    if want > 0 then
      have = have - want
      reply[3 * k] = have
      took[key] = true
    end
  end
  if have < full then
    rest = math.ceil((full - have) / rate) + math.ceil((at[k] - now) / unit)
  end
  reply[3 * k + 1] = rest
  if took[key] and last[key] == k then
    local life = math.max(ARGV[5] + 0, math.ceil(rest * unit / 1000) + 1)
    redis.call('SET', key, struct.pack('<ddd', at[k], have, price),
      'PX', string.format('%.0f', life))
  end
end
return reply
)lua";

Wide gcd(Wide a, Wide b) {
    while (b != 0) {
        const Wide rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Time from now, when `phase` has passed since the unit began, to the start of the unit
// that is `units` later. Never the value that stands for "never".
std::chrono::nanoseconds time_in(
    std::int64_t units, std::int64_t phase, std::chrono::microseconds unit
) {
    if (units <= 0) return std::chrono::nanoseconds{0};
    const SignedWide ns = (SignedWide{units} * unit.count() - phase) * 1000;
    const SignedWide most = Admission::never.count() - 1;
    return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(ns, most))};
}

// The place of the key that the script says holds no bucket.
std::optional<std::size_t> foreign_key(std::string_view words, std::size_t keys) {
    constexpr std::string_view prefix = "CORRUPT key ";
    const auto at = words.find(prefix);
    if (at == std::string_view::npos) return std::nullopt;
    words.remove_prefix(at + prefix.size());
    std::size_t number = 0;
    std::from_chars(words.data(), words.data() + words.size(), number);
    if (number < 1 || number > keys) return std::nullopt;
    return number - 1;
}

bool in_range(const Reply& reply, std::uint64_t most) {
    return reply.kind == ReplyKind::integer && reply.integer >= 0 &&
           static_cast<std::uint64_t>(reply.integer) <= most;
}

}  // namespace

BucketTerms make_terms(const TokenBucketStoreOptions& options) {
    using namespace std::chrono;
    const auto require = [](bool holds, const char* sentence) {
        if (!holds) throw std::invalid_argument(sentence);
    };
    require(
        options.tokens >= 1 && options.tokens <= most_tokens, "tokens: must be 1 to 10^12"
    );
    require(
        options.burst >= 1 && options.burst <= most_tokens, "burst: must be 1 to 10^12"
    );
    require(
        options.period >= microseconds{1} && options.period <= year,
        "period: must be 1 us to 366 days"
    );
    require(options.prefix.size() <= 256, "prefix: must be at most 256 bytes");
    require(
        options.min_ttl >= milliseconds{1} && options.min_ttl <= year,
        "min_ttl: must be 1 ms to 366 days"
    );
    const auto period = static_cast<std::uint64_t>(options.period.count());
    const auto century = static_cast<std::uint64_t>(nanoseconds(100 * year).count());
    require(
        Wide{options.burst} * period / options.tokens <= century,
        "burst: must be filled within 100 years"
    );
    for (const microseconds unit :
         {microseconds{1}, microseconds{1'000}, microseconds{1'000'000}}) {
        const Wide earned =
            Wide{options.tokens} * static_cast<std::uint64_t>(nanoseconds(unit).count());
        const Wide common = gcd(earned, period);
        const Wide rate = earned / common;
        const Wide price = period / common;
        if (rate < exact && price * options.burst < exact) {
            return {
                static_cast<std::uint64_t>(rate),
                static_cast<std::uint64_t>(price),
                static_cast<std::uint64_t>(price * options.burst),
                unit,
            };
        }
    }
    throw std::invalid_argument("burst: too large to count exactly with this period");
}

std::string_view bucket_script() { return script; }

const std::string& bucket_script_sha() {
    static const std::string sha = [] {
        std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
        unsigned size = 0;
        EVP_Digest(
            script.data(), script.size(), digest.data(), &size, EVP_sha1(), nullptr
        );
        std::string hex;
        for (unsigned i = 0; i < size; ++i) {
            constexpr char digits[] = "0123456789abcdef";
            hex += digits[digest[i] >> 4];
            hex += digits[digest[i] & 15];
        }
        return hex;
    }();
    return sha;
}

BucketCodec::BucketCodec(TokenBucketStoreOptions options)
    : options_(std::move(options)),
      terms_(make_terms(options_)),
      constants_{
          std::to_string(terms_.rate),
          std::to_string(terms_.price),
          std::to_string(terms_.full),
          std::to_string(terms_.unit.count()),
          std::to_string(options_.min_ttl.count()),
      } {}

Wire BucketCodec::encode(
    std::string_view verb,
    BucketMode mode,
    std::span<const BucketRequest> requests,
    std::optional<std::int64_t> now_us
) const {
    // Keys and numbers are kept in one buffer that is never moved while it is pointed to.
    constexpr std::size_t digits = 20;
    std::size_t room = (requests.size() + 2) * digits;
    for (const auto& request : requests) {
        room += options_.prefix.size() + request.key.size();
    }
    std::string store;
    store.reserve(room);
    const auto keep = [&store](std::string_view text) {
        const auto start = store.size();
        store += text;
        return std::string_view(store).substr(start);
    };
    const auto number = [&keep](std::int64_t value) {
        std::array<char, digits> text;
        const auto end = std::to_chars(text.begin(), text.end(), value).ptr;
        return keep({text.data(), static_cast<std::size_t>(end - text.data())});
    };

    std::vector<std::string_view> args;
    args.reserve(10 + 2 * requests.size());
    const bool by_name = verb == "EVALSHA";
    args.push_back(verb);
    args.push_back(by_name ? std::string_view(bucket_script_sha()) : script);
    args.push_back(number(static_cast<std::int64_t>(requests.size())));
    for (const auto& request : requests) {
        const auto start = store.size();
        store += options_.prefix;
        store += request.key;
        args.push_back(std::string_view(store).substr(start));
    }
    args.insert(args.end(), constants_.begin(), constants_.end());
    const char letter = static_cast<char>(mode);
    args.emplace_back(&letter, 1);
    for (const auto& request : requests) {
        args.push_back(number(static_cast<std::int64_t>(request.tokens * terms_.price)));
    }
    if (now_us) args.push_back(number(*now_us));
    return Wire(args);
}

Result<std::vector<BucketDecision>> BucketCodec::decode(
    Reply reply, std::span<const BucketRequest> requests
) const {
    if (reply.is_error()) {
        if (const auto place = foreign_key(reply.text, requests.size())) {
            return fail(
                Errc::corrupt_data,
                "the key '" + options_.prefix + requests[*place].key +
                    "' holds something that is not a bucket; reset it"
            );
        }
        return script_failure(reply.text);
    }
    const auto& parts = reply.elements;
    const auto wrong = [] {
        return fail(Errc::protocol_error, "not an answer of the bucket's script");
    };
    if (reply.kind != ReplyKind::array || parts.size() != 1 + 3 * requests.size())
        return wrong();
    constexpr auto any = static_cast<std::uint64_t>(INT64_MAX);
    if (!in_range(parts[0], any)) return wrong();

    std::vector<BucketDecision> decisions(requests.size());
    for (std::size_t k = 0; k < requests.size(); ++k) {
        const auto& wait = parts[1 + 3 * k];
        const auto& credits = parts[2 + 3 * k];
        const auto& rest = parts[3 + 3 * k];
        if (!in_range(wait, any) || !in_range(credits, terms_.full) ||
            !in_range(rest, any)) {
            return wrong();
        }
        const auto phase = parts[0].integer;
        auto& decision = decisions[k];
        decision.admission =
            wait.integer == 0
                ? Admission::admit()
                : Admission::refuse(time_in(wait.integer, phase, terms_.unit));
        decision.remaining = static_cast<std::uint64_t>(credits.integer) / terms_.price;
        decision.limit = options_.burst;
        decision.time_to_full = time_in(rest.integer, phase, terms_.unit);
    }
    return decisions;
}

Failure script_failure(const std::string& words) {
    if (auto failure = server_failure(words)) return *failure;
    return fail(Errc::invalid_request, words);
}

}  // namespace resilience::redis::detail
