// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_NUMBER_SET_HPP
#define RESILIENCE_SRC_OUTBOX_NUMBER_SET_HPP

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace resilience {

/// How many pages all sets of a kind have together.
struct PageBudget {
    std::size_t most = 0;
    std::size_t used = 0;
};

/// Numbers from 1 on that were seen: pages of bits, of which full ones cost nothing.
/// Pure.
class NumberSet {
public:
    static constexpr std::uint64_t page_size = 32'768;
    static constexpr std::size_t page_bytes = page_size / 8;

    enum class Added : std::uint8_t { fresh, again, no_room };

    /// REQUIRES: the budget outlives the set.
    explicit NumberSet(PageBudget& budget) : budget_(&budget) {}

    Added add(std::uint64_t number) {
        auto& page = pages_[number / page_size];
        if (page.count == page_size) return Added::again;
        if (!page.bits) {
            // A page that finds no room stays empty, its map's place apart.
            if (budget_->used >= budget_->most) {
                if (page.count == 0) pages_.erase(number / page_size);
                return Added::no_room;
            }
            ++budget_->used;
            page.bits = std::make_unique<std::bitset<page_size>>();
            // Nobody has number 0, and its page is to be full some day too.
            if (number < page_size) {
                page.bits->set(0);
                page.count = 1;
            }
        }
        const auto place = static_cast<std::size_t>(number % page_size);
        if (page.bits->test(place)) return Added::again;
        page.bits->set(place);
        if (++page.count == page_size) {
            page.bits.reset();
            --budget_->used;
        }
        return Added::fresh;
    }

    /// Calls `found(from, to)` for each run of numbers that are not there, of those from
    /// `first` to `last`.
    template <class Found>
    void each_gap(std::uint64_t first, std::uint64_t last, Found found) const {
        std::uint64_t open = 0;
        bool is_open = false;
        const auto missing = [&](std::uint64_t from) {
            if (!is_open) open = from;
            is_open = true;
        };
        const auto there = [&](std::uint64_t at) {
            if (is_open) found(open, at - 1);
            is_open = false;
        };
        std::uint64_t at = first;
        while (at <= last) {
            const auto page = pages_.lower_bound(at / page_size);
            if (page == pages_.end() || page->first * page_size > last) break;
            const auto begins = page->first * page_size;
            if (begins > at) {
                missing(at);
                at = begins;
            }
            if (page->second.count == page_size) {
                there(at);
                at = begins + page_size;
                continue;
            }
            for (; at < begins + page_size && at <= last; ++at) {
                const auto place = static_cast<std::size_t>(at - begins);
                if (page->second.bits->test(place)) {
                    there(at);
                } else {
                    missing(at);
                }
            }
        }
        if (at <= last) missing(at);
        if (is_open) found(open, last);
    }

private:
    struct Page {
        std::unique_ptr<std::bitset<page_size>> bits;
        std::uint64_t count = 0;
    };

    PageBudget* budget_;
    std::map<std::uint64_t, Page> pages_;
};

}  // namespace resilience

#endif
