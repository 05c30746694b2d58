// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_TRACE_HPP
#define RESILIENCE_HOST_TRACE_HPP

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace resilience::host {

/// The two names that tie log lines to a request. Views: they must outlive the call.
struct LogContext {
    std::string_view request_id = {};
    std::string_view trace_id = {};
};

/** A position in a distributed trace: the `traceparent` of W3C Trace Context, version 00.

    @par Thread safety
    A value.
*/
class TraceContext {
public:
    /// An empty context; its text is empty.
    TraceContext() = default;

    /** Continues the trace of a client, or starts one.

        @param incoming The header's value; anything malformed, of version `ff` or with an
            id of zeros counts as absent.
        @param random Uniform random words: two for a new trace, one for this span.
    */
    static TraceContext continued(
        std::string_view incoming, std::array<std::uint64_t, 3> random
    ) noexcept;

    /// The header's value for whoever is called next, and for the answer.
    std::string_view traceparent() const noexcept { return {text_.data(), length_}; }

    /// 32 lower-case hexadecimal digits.
    std::string_view trace_id() const noexcept {
        return length_ == 0 ? std::string_view{} : traceparent().substr(3, 32);
    }

    /// 16 lower-case hexadecimal digits: the span of this server.
    std::string_view span_id() const noexcept {
        return length_ == 0 ? std::string_view{} : traceparent().substr(36, 16);
    }

private:
    static constexpr std::size_t size = 55;
    std::array<char, size> text_{};
    std::size_t length_ = 0;
};

/// Whether a client's request id is taken as it is: 1 to 64 of `[A-Za-z0-9._-]`.
bool is_request_id(std::string_view text) noexcept;

}  // namespace resilience::host

#endif
