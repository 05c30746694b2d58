// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_POSTGRES_SESSION_BATCH_HPP
#define RESILIENCE_SRC_POSTGRES_SESSION_BATCH_HPP

#include "session.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace resilience::postgres {

/// One round trip: what was sent, and what has come back so far.
struct Session::Batch {
    struct Item {
        enum class Kind { prepare, release, run };
        Kind kind;
        std::string sql;   // of `prepare` and of a kept `run`
        std::string name;  // of `prepare` and `release`
    };

    /// Nothing more comes, or nothing more can be believed.
    bool over() const noexcept { return done || broken; }

    bool script = false;  // sent by the simple protocol
    std::vector<Item> items;
    std::unordered_map<std::string, std::string> preparing;  // SQL to name

    std::size_t at = 0;  // item whose answers are being read
    std::vector<Rows> rows;
    std::optional<Failure> failure;  // the first
    std::string sqlstate;            // of that failure
    bool done = false;
    bool broken = false;
};

}  // namespace resilience::postgres

#endif
