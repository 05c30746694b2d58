// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_ISOLATING_SOURCE_HPP
#define RESILIENCE_SRC_OUTBOX_ISOLATING_SOURCE_HPP

#include <resilience/relay.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace resilience::detail {

/** Calls a source so that a row that it refuses holds up no other.

    Verdicts that are refused together are tried in halves until those at fault stand
    alone; these rows become FAILED. A claim that is refused is tried with half as many
    rows, down to one; the first rows without which the source claims again become FAILED.
    A row that cannot even become FAILED is skipped.

    No undelivered row becomes FAILED while the source takes no other row: then the source
    may be at fault. The number of calls that one operation makes is bounded.

    @par Object lifetimes
    The source must outlive it.
*/
class IsolatingSource {
public:
    /// Rows that were isolated.
    struct Isolated {
        std::uint64_t failed = 0;
        std::uint64_t skipped = 0;
        /// What the source said of the last one.
        std::string refusal;
    };

    struct Claim {
        Result<std::vector<ClaimedEvent>> events = std::vector<ClaimedEvent>{};
        Isolated isolated;
    };

    struct Settling {
        /// Those that the source took.
        std::vector<Settlement> settled;
        /// Those that are to be settled once more.
        std::vector<Settlement> left;
        Isolated isolated;
        /// Why the source is down; none when it is not.
        std::optional<Failure> failure;
    };

    explicit IsolatingSource(ClaimSource& source) : source_(source) {}

    net::awaitable<Claim> claim(std::size_t limit);
    net::awaitable<Settling> settle(std::vector<Settlement> verdicts);

    /// Lets the next claims try the rows again that they skipped, and asks for new
    /// evidence that the source works.
    void forget();

private:
    struct Refused {
        Settlement verdict;
        Failure refusal;
    };

    net::awaitable<void> give_up(std::vector<Refused> refused, Settling& result);
    net::awaitable<Result<void>> isolate_first(Isolated& isolated);
    net::awaitable<Result<std::vector<std::int64_t>>> find_suspects();
    // These rows and those that were skipped.
    void leave_out(const std::vector<std::int64_t>& suspects);

    ClaimSource& source_;
    // The source took a row since the last forget.
    bool claims_ = false;
    bool settles_ = false;
    // Rows claimed at most; falls while claims are refused.
    std::size_t reach_ = 10'000;
    // NEW rows that neither could be claimed nor became FAILED.
    std::vector<std::int64_t> skipped_;
};

}  // namespace resilience::detail

#endif
