// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_REQUEST_HPP
#define RESILIENCE_HOST_REQUEST_HPP

#include "host/trace.hpp"

#include <resilience/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience::host {

/// The methods that routes can have; `other` is any that the host does not know.
enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };

/// The name as it stands in a request line; `_OTHER` for @ref Method::other.
std::string_view to_string(Method method) noexcept;

/// Reads the name of a request line; case matters.
Method method_of(std::string_view name) noexcept;

/** One request, decoded and checked, as handlers see it.

    A connection reuses one object, so views into it end with the handler.

    @par Thread safety
    A value; one handler owns it at a time.
*/
class Request {
public:
    Method method = Method::get;
    /// The instant by which an answer must stand; adapters take what is left of it.
    TimePoint deadline = TimePoint::max();
    /// Well-formed id of the client, or one made here; 1 to 64 of `[A-Za-z0-9._-]`.
    std::string request_id;
    /// The client's trace continued by a span of this server, or a new trace.
    TraceContext trace;
    /// Address of the other end, without its port.
    std::string peer;
    /// At most `ServerOptions::body_limit` bytes; any bytes.
    std::string body;

    Request() = default;

    /** Makes a request by hand, for tests and for calls inside a process.

        @throws std::invalid_argument @ref set_target refuses the target.
    */
    Request(Method m, std::string_view target);

    /** Takes the path and the query of a request line.

        @return Empty when all is well; else a sentence: a broken percent escape, a NUL or
            other control character, invalid UTF-8, no leading slash.
    */
    [[nodiscard]] std::string_view set_target(std::string_view target);

    /// The path as it was sent, percent escapes included, without the query.
    std::string_view raw_path() const noexcept {
        return std::string_view{target_}.substr(0, path_length_);
    }

    /// The decoded parameters of the query in their order; a name may occur many times.
    const std::vector<std::pair<std::string, std::string>>& query() const noexcept {
        return query_;
    }

    /// How often `name` stands in the query.
    std::size_t query_count(std::string_view name) const noexcept;

    /// The first value of `name` in the query.
    std::optional<std::string_view> query(std::string_view name) const noexcept;

    /// The value of the first header field called `name`, in any case.
    std::optional<std::string_view> header(std::string_view name) const noexcept;

    /// How many header fields are called `name`.
    std::size_t header_count(std::string_view name) const noexcept;

    void add_header(std::string_view name, std::string_view value);

    /// The decoded value of `{name}` in the route's pattern; empty when it has none.
    std::string_view path_parameter(std::string_view name) const noexcept;

    /// Filled by the router.
    std::vector<std::pair<std::string_view, std::string>>& path_parameters() noexcept {
        return path_parameters_;
    }

    /// What every log line about this request carries.
    LogContext log_context() const noexcept { return {request_id, trace.trace_id()}; }

    /// Forgets everything and keeps the memory, up to a bound, for the next request.
    void reset();

private:
    struct HeaderSpan {
        std::uint32_t begin, name_length, value_length;
    };

    std::string target_;
    std::size_t path_length_ = 0;
    std::vector<std::pair<std::string, std::string>> query_;
    std::vector<std::pair<std::string_view, std::string>> path_parameters_;
    std::string header_text_;
    std::vector<HeaderSpan> headers_;
};

}  // namespace resilience::host

#endif
