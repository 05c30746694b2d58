// SPDX-License-Identifier: MIT
#ifndef TESTS_UNIT_CORE_LINEARIZABILITY_HPP
#define TESTS_UNIT_CORE_LINEARIZABILITY_HPP

#include <resilience/random.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "unit/core/interleaving.hpp"

namespace resilience::testing {

/// One call of an operation: what was asked and answered, and when, by a common counter.
template <class Operation>
struct Event {
    Operation operation;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

/** Whether some order of the events, which keeps those apart in time as they were, is one
    that `model` gives the same answers in.

    @tparam Model Copyable; `bool apply(const Operation&)` performs one and tells whether
        the answer fits.
*/
template <class Model, class Operation>
bool is_linearizable(const Model& model, const std::vector<Event<Operation>>& history) {
    struct Search {
        const std::vector<Event<Operation>>& history;
        std::vector<bool> done;

        bool run(const Model& model, std::size_t left) {
            if (left == 0) return true;
            std::uint64_t earliest_end = ~std::uint64_t{0};
            for (std::size_t i = 0; i < history.size(); ++i) {
                if (!done[i] && history[i].end < earliest_end) {
                    earliest_end = history[i].end;
                }
            }
            for (std::size_t i = 0; i < history.size(); ++i) {
                if (done[i] || history[i].begin > earliest_end) continue;
                Model next = model;
                if (!next.apply(history[i].operation)) continue;
                done[i] = true;
                if (run(next, left - 1)) return true;
                done[i] = false;
            }
            return false;
        }
    };
    return Search{history, std::vector<bool>(history.size())}.run(model, history.size());
}

/** Lets three actors perform random operations on one object, in an order that a seed
    decides, and returns how many of the histories were not linearizable.

    @param make `make()` returns a fresh object of @ref ActedAtomic, as a pointer.
    @param model The object's sequential twin, fresh.
    @param choose `choose(random)` returns an operation to be performed.
    @param perform `perform(object, operation)` performs it and puts the answer into it.
*/
template <class Operation, class Make, class Model, class Choose, class Perform>
std::size_t count_bad_histories(
    std::uint64_t histories, Make make, const Model& model, Choose choose, Perform perform
) {
    constexpr std::size_t kActors = 3;
    constexpr std::size_t kOperations = 4;
    std::size_t bad = 0;
    for (std::uint64_t seed = 0; seed < histories; ++seed) {
        Random random{seed};
        const auto object = make();
        std::vector<Event<Operation>> history;
        std::vector<Event<Operation>> under_way(kActors);
        std::vector<std::unique_ptr<Actor>> actors(kActors);
        std::size_t begun = 0;
        for (std::uint64_t now = 0; history.size() < kActors * kOperations; ++now) {
            const std::size_t i = random() % kActors;
            if (!actors[i]) {
                if (begun == kActors * kOperations) continue;
                ++begun;
                under_way[i] = {choose(random), now, 0};
                actors[i] = std::make_unique<Actor>([&, i] {
                    perform(*object, under_way[i].operation);
                });
            }
            if (actors[i]->advance(1 + random() % 4)) {
                under_way[i].end = now;
                history.push_back(under_way[i]);
                actors[i] = nullptr;
            }
        }
        if (!is_linearizable(model, history)) ++bad;
    }
    return bad;
}

}  // namespace resilience::testing

#endif
