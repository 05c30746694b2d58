// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_SRC_REDIS_WIRE_HPP
#define RESILIENCE_SRC_REDIS_WIRE_HPP

#include <resilience/asio/result.hpp>
#include <resilience/redis/reply.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct redisReader;

namespace resilience::redis::detail {

/// The bytes of one command, as the server wants them.
class Wire {
public:
    Wire() = default;
    /// @throws std::bad_alloc
    explicit Wire(std::span<const std::string_view> args);

    std::string_view bytes() const noexcept { return {data_.get(), size_}; }

private:
    struct Free {
        void operator()(char* command) const noexcept;
    };
    std::unique_ptr<char, Free> data_;
    std::size_t size_ = 0;
};

/// The failure that an error reply stands for if it concerns the server or the user
/// rather than the command; nothing otherwise.
std::optional<Failure> server_failure(std::string_view words);

/** Turns received bytes into replies. Memory is bounded whatever the peer sends.

    @par Thread safety
    Distinct objects: safe. Shared objects: unsafe.
*/
class ReplyReader {
public:
    explicit ReplyReader(std::size_t max_reply_bytes);
    ReplyReader(const ReplyReader&) = delete;
    ReplyReader& operator=(const ReplyReader&) = delete;
    ~ReplyReader();

    /// Adds received bytes.
    void feed(std::string_view bytes);

    /// Takes the next whole reply, if there is one. After a `protocol_error` the reader
    /// is of no further use.
    Result<std::optional<Reply>> next();

private:
    struct Builder;
    struct FreeReader {
        void operator()(redisReader* reader) const noexcept;
    };
    std::unique_ptr<Builder> builder_;
    std::unique_ptr<redisReader, FreeReader> reader_;
};

}  // namespace resilience::redis::detail

#endif
