// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_ANSWERS_HPP
#define RESILIENCE_HOST_ANSWERS_HPP

#include "host/router.hpp"

#include <exception>
#include <optional>

namespace resilience::host {

/// The answer when no handler takes the request: 404, 405, or `Allow` for `OPTIONS`.
Response answer_without_route(const Router::Match& match, const Request& request);

/// The answer to a body in a content coding, which no handler undoes; empty when there is
/// none.
std::optional<Response> refuse_coding(const Request& request);

/// The answer when a handler threw.
Response answer_to_exception(const std::exception_ptr& error);

/// Renders the problem of an answer, if it has one, into body and header.
void finish(Response& response, const Request& request);

}  // namespace resilience::host

#endif
