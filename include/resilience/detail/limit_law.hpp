// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_LIMIT_LAW_HPP
#define RESILIENCE_DETAIL_LIMIT_LAW_HPP

#include <resilience/admission.hpp>
#include <resilience/rate_limiter.hpp>

#include <concepts>
#include <cstdint>

namespace resilience::detail {

/// What a law says about taking.
struct Taking {
    std::int64_t next;  // the word afterwards; means something only when admitted
    Admission answer;
};

/** Decides for a limiter whose state is one word, in 0 to 2^63; 0 is the state of one
    that was never used. Pure: the same word, time and law make the same decision.

    A law that takes the place of another one starts from what is carried over: a `Start`,
    of which the `word` is one part. What that cannot tell is the other, and is only
   needed by the law that comes next.
*/
template <class L>
concept LimitLaw = requires(
    const L& law, std::int64_t word, std::uint32_t n, typename L::Moment moment
) {
    { law.limit() } -> std::same_as<std::uint32_t>;
    { law.moment(word) } -> std::same_as<typename L::Moment>;
    { law.idle(moment) } -> std::same_as<std::int64_t>;
    { law.take(word, n, moment) } -> std::same_as<Taking>;
    { law.undo(word, n, moment, word) } -> std::same_as<std::int64_t>;
    { law.join(word, word) } -> std::same_as<std::int64_t>;
    { law.snapshot(word, moment) } -> std::same_as<LimiterSnapshot>;
    {
        law.carried(law, word, typename L::Start{}, word)
        } -> std::same_as<typename L::Start>;
};

}  // namespace resilience::detail

#endif
