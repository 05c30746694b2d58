// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_REDIS_REPLY_HPP
#define RESILIENCE_REDIS_REPLY_HPP

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace resilience::redis {

/// What a @ref Reply holds.
enum class ReplyKind : std::uint8_t { nil, integer, status, bulk, array, error };

/** One answer of the server, as a value.

    An error reply (`-ERR ...`) is an answer too: its words stand in @ref text.
*/
struct Reply {
    /// Which of the fields below says something. Default nil.
    ReplyKind kind = ReplyKind::nil;
    /// The number of an integer reply.
    std::int64_t integer = 0;
    /// The bytes of a status, bulk or error reply; may hold any byte.
    std::string text;
    /// The parts of an array reply.
    std::vector<Reply> elements;

    static Reply of_integer(std::int64_t value) {
        return {ReplyKind::integer, value, {}, {}};
    }
    static Reply of_status(std::string words) {
        return {ReplyKind::status, 0, std::move(words), {}};
    }
    static Reply of_bulk(std::string bytes) {
        return {ReplyKind::bulk, 0, std::move(bytes), {}};
    }
    static Reply of_error(std::string words) {
        return {ReplyKind::error, 0, std::move(words), {}};
    }
    static Reply of_array(std::vector<Reply> parts) {
        return {ReplyKind::array, 0, {}, std::move(parts)};
    }

    bool is_error() const noexcept { return kind == ReplyKind::error; }

    friend bool operator==(const Reply&, const Reply&) = default;
};

}  // namespace resilience::redis

#endif
