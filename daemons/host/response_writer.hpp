// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_RESPONSE_WRITER_HPP
#define RESILIENCE_HOST_RESPONSE_WRITER_HPP

#include "host/response.hpp"

#include <resilience/clock.hpp>

#include <string>
#include <string_view>

namespace resilience::host {

/// What a connection adds to each answer.
struct ResponseFrame {
    std::string_view server;
    std::string_view date;
    std::string_view request_id;
    std::string_view traceparent;
    bool http_1_1 = true;
    bool keep_alive = true;
    /// The answer to `HEAD`: the length of the body without the body.
    bool without_body = false;
};

/// Appends an answer as it goes over the wire.
void write_response(
    std::string& out, const Response& response, const ResponseFrame& frame
);

/// The text of a `Date` header, written anew only when the second changes.
class HttpDate {
public:
    std::string_view at(WallClock::time_point now);

private:
    WallClock::time_point second_ = WallClock::time_point::min();
    std::string text_;
};

}  // namespace resilience::host

#endif
