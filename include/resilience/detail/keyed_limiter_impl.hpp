// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_KEYED_LIMITER_IMPL_HPP
#define RESILIENCE_DETAIL_KEYED_LIMITER_IMPL_HPP

#include <resilience/keyed_limiter.hpp>

namespace resilience {

template <class Limiter>
std::size_t BasicKeyedLimiter<Limiter>::make_groups(const Options& options) {
    if (options.keys < 1 || options.keys > std::size_t{1} << 34) {
        throw std::invalid_argument{"KeyedLimiterOptions::keys must be in 1 to 2^34"};
    }
    if (options.memory == nullptr) {
        throw std::invalid_argument{"KeyedLimiterOptions::memory must not be null"};
    }
    // A slot and its part of the shared limiter are 17 bytes, a key may have 24.
    const std::size_t slots = options.keys * 24 / 17 + 1;
    return std::max<std::size_t>(2, (slots - 1) / Table::kSlotsPerGroup + 1);
}

template <class Limiter>
detail::HashKey BasicKeyedLimiter<Limiter>::make_secret(const Options& options) {
    if (options.hash_key) return *options.hash_key;
    std::random_device device;
    std::uniform_int_distribution<std::uint64_t> any;
    return {any(device), any(device)};
}

template <class Limiter>
BasicKeyedLimiter<Limiter>::BasicKeyedLimiter(const Options& options, TimePoint now)
    : settings_{Settings{options.limit, detail::keyed_law(options.limit, now)}},
      made_with_{options},
      hash_{make_secret(options)},
      table_{make_groups(options), settings_.get().law, options.memory} {}

template <class Limiter>
template <class Decide>
void BasicKeyedLimiter<Limiter>::update(
    std::uint64_t hash, const Instant& now, Decide decide
) noexcept {
    if (!table_.update(hash, now.idle(), decide)) {
        overflows_.fetch_add(1, std::memory_order_relaxed);
    }
}

template <class Limiter>
Admission BasicKeyedLimiter<Limiter>::take(
    std::uint64_t hash, std::uint32_t n, const Instant& now
) noexcept {
    if (n == 0) return Admission::admit();
    if (n > now.law.limit()) return Admission::refuse(Admission::never);
    Admission answer;
    update(hash, now, [&](std::int64_t word, std::int64_t& next) {
        const detail::Taking taking = now.law.take(word, n, now.moment);
        next = taking.next;
        answer = taking.answer;
        return answer.admitted;
    });
    return answer;
}

template <class Limiter>
Admission BasicKeyedLimiter<Limiter>::try_acquire(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    const std::uint64_t hash = key.hash(hash_);
    table_.fetch(hash);
    table_.fetch_second(hash);
    return take(hash, n, instant(now));
}

template <class Limiter>
std::size_t BasicKeyedLimiter<Limiter>::try_acquire_each(
    std::span<const KeyedRequest> requests, std::span<Admission> answers, TimePoint now
) noexcept {
    const std::size_t count = std::min(requests.size(), answers.size());
    const Instant instant = this->instant(now);
    std::array<std::uint64_t, kAhead> hashes{};
    const auto fetch = [&](std::size_t i) {
        const std::uint64_t hash = requests[i].key.hash(hash_);
        hashes[i % kAhead] = hash;
        table_.fetch(hash);
        table_.fetch_second(hash);
    };
    for (std::size_t i = 0; i < std::min(count, kAhead); ++i) fetch(i);
    std::size_t admitted = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t hash = hashes[i % kAhead];
        if (count - i > kAhead) fetch(i + kAhead);
        answers[i] = take(hash, requests[i].n, instant);
        admitted += answers[i].admitted ? 1 : 0;
    }
    return admitted;
}

template <class Limiter>
Admission BasicKeyedLimiter<Limiter>::peek(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    if (n == 0) return Admission::admit();
    const auto [law, moment] = instant(now);
    if (n > law.limit()) return Admission::refuse(Admission::never);
    return law.take(table_.zero_of(key.hash(hash_)), n, moment).answer;
}

template <class Limiter>
LimiterSnapshot BasicKeyedLimiter<Limiter>::snapshot(
    const LimitKey& key, TimePoint now
) noexcept {
    const auto [law, moment] = instant(now);
    return law.snapshot(table_.zero_of(key.hash(hash_)), moment);
}

template <class Limiter>
Reservation BasicKeyedLimiter<Limiter>::reserve(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept {
    Reservation r{.granted = true, .start = now};
    if (n == 0) return r;
    const Instant instant = this->instant(now);
    const Law& law = instant.law;
    if (n > law.limit()) return {.wait = Admission::never};
    const std::uint64_t hash = key.hash(hash_);
    const std::int64_t at = detail::nanoseconds_of(now);
    update(hash, instant, [&](std::int64_t word, std::int64_t& next) {
        const detail::Taking taking = law.take(word, n, instant.moment);
        next = taking.next;
        r.granted = taking.answer.admitted;
        r.wait = taking.answer.retry_after;
        r.receipt = law.receipt(n, next, instant.moment, at);
        r.receipt.returned = notes(hash).returned();
        return r.granted;
    });
    return r;
}

template <class Limiter>
bool BasicKeyedLimiter<Limiter>::refund(
    const LimitKey& key, const Reservation& reservation, TimePoint now
) noexcept {
    if (!reservation.granted) return false;
    const std::uint64_t hash = key.hash(hash_);
    const std::int64_t at = detail::nanoseconds_of(now);
    const Law& law = settings_.get().law;
    bool all = false;
    detail::ReturnNotes::Return mine{notes(hash)};
    const auto decide = [&](std::int64_t word, std::int64_t& next) {
        const auto undoing = law.undo(word, reservation.receipt, mine.by_others(), at);
        mine.note(undoing.tokens);
        next = undoing.next;
        all = undoing.all;
        return next != word;
    };
    // Without a slot, the key's limiter has been new meanwhile, or was a shared one.
    if (!table_.update_slot(hash, decide)) {
        mine.note(0);
        all = reservation.receipt.tokens == 0;
    }
    mine.finish();
    return all;
}

template <class Limiter>
std::chrono::nanoseconds BasicKeyedLimiter<Limiter>::charge(
    const LimitKey& key, std::uint32_t n, TimePoint now
) noexcept requires std::same_as<Limiter, TokenBucket> {
    const Instant instant = this->instant(now);
    std::chrono::nanoseconds repaid{0};
    update(key.hash(hash_), instant, [&](std::int64_t word, std::int64_t& next) {
        const detail::Taking taking = instant.law.charge(word, n, instant.moment);
        next = taking.next;
        repaid = taking.answer.retry_after;
        return taking.answer.admitted;
    });
    return repaid;
}

template <class Limiter>
bool BasicKeyedLimiter<Limiter>::reset(const LimitKey& key, TimePoint now) noexcept {
    const std::uint64_t hash = key.hash(hash_);
    const std::int64_t idle = instant(now).idle();
    detail::ReturnNotes::Return mine{notes(hash)};
    const auto renew = [&](std::int64_t word, std::int64_t& next) {
        mine.note(detail::BucketLaw::kReset);
        next = idle;
        return word > idle;
    };
    bool renewed = false;
    do {
        renewed = table_.update_slot(hash, renew) || table_.zero_of(hash) <= idle;
    } while (!renewed && table_.claim(hash, idle));
    mine.finish();
    return renewed;
}

template <class Limiter>
Admission BasicKeyedLimiter<Limiter>::try_acquire_all(
    std::span<const KeyedRequest> requests, TimePoint now
) noexcept {
    if (requests.size() > kMostRequests) return Admission::refuse(Admission::never);
    Admission answer = take_all(requests, now);
    for (const KeyedRequest& request : requests) {
        if (answer.admitted) break;
        const Admission own = peek(request.key, request.n, now);
        answer.retry_after = std::max(answer.retry_after, own.retry_after);
    }
    return answer;
}

template <class Limiter>
Admission BasicKeyedLimiter<Limiter>::take_all(
    std::span<const KeyedRequest> requests, TimePoint now
) noexcept {
    std::array<Reservation, 32> held;
    const auto here = requests.first(std::min(requests.size(), held.size()));
    std::size_t count = 0;
    Admission answer = Admission::admit();
    for (; count < here.size() && answer.admitted; ++count) {
        held[count] = reserve(here[count].key, here[count].n, now);
        answer = {held[count].granted, held[count].wait};
    }
    if (answer.admitted && here.size() < requests.size()) {
        answer = take_all(requests.subspan(here.size()), now);
    }
    while (!answer.admitted && count > 0) {
        --count;
        refund(here[count].key, held[count], now);
    }
    return answer;
}

template <class Limiter>
void BasicKeyedLimiter<Limiter>::reconfigure(const Options& options, TimePoint now) {
    const auto keep = [](bool same, const std::string& field) {
        if (same) return;
        throw std::invalid_argument{
            "KeyedLimiterOptions::" + field + " cannot be changed in use"};
    };
    keep(options.keys == made_with_.keys, "keys");
    keep(options.hash_key == made_with_.hash_key, "hash_key");
    keep(options.memory == made_with_.memory, "memory");
    settings_.replace([&](const Settings& old) {
        if (options.limit == old.limit) return old;
        const std::int64_t at = detail::nanoseconds_of(now);
        return Settings{options.limit, old.law.changed(options.limit, at)};
    });
}

template <class Limiter>
auto BasicKeyedLimiter<Limiter>::options() const noexcept -> Options {
    Options now = made_with_;
    now.limit = settings_.get().limit;
    return now;
}

template <class Limiter>
KeyedLimiterStats BasicKeyedLimiter<Limiter>::stats(TimePoint now) const noexcept {
    const std::int64_t idle = instant(now).idle();
    const std::size_t groups = table_.groups();
    const std::size_t step = (groups - 1) / 1024 + 1;
    std::size_t seen = 0, used = 0;
    for (std::size_t group = 0; group < groups; group += step, ++seen) {
        used += table_.in_use(group, idle);
    }
    return {
        .slots = groups * Table::kSlotsPerGroup,
        .keys = used * groups / seen,
        .overflows = overflows_.load(std::memory_order_relaxed)};
}

}  // namespace resilience

#endif
