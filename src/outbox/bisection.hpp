// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_OUTBOX_BISECTION_HPP
#define RESILIENCE_SRC_OUTBOX_BISECTION_HPP

#include <cstddef>
#include <optional>
#include <vector>

namespace resilience::detail {

/** Finds the items of a list that are refused when the list is tried as a whole. Pure.

    What is refused is halved until the items at fault stand alone, from the first to the
    last. With one item at fault among n, 2 log2 n parts are tried.
*/
class Bisection {
public:
    struct Part {
        std::size_t first = 0;
        std::size_t count = 0;
    };

    explicit Bisection(std::size_t count) {
        if (count > 0) open_.push_back({0, count});
    }

    /// The part to try; all items before it are decided. None when all items are.
    std::optional<Part> next() const {
        return open_.empty() ? std::nullopt : std::optional<Part>{open_.back()};
    }

    /// The part needs no further try.
    void decide() { open_.pop_back(); }

    /// The part was refused. REQUIRES: it has more than one item.
    void split() {
        const Part whole = open_.back();
        const std::size_t half = whole.count / 2;
        open_.back() = {whole.first + half, whole.count - half};
        open_.push_back({whole.first, half});
    }

private:
    // The next part is the last.
    std::vector<Part> open_;
};

}  // namespace resilience::detail

#endif
