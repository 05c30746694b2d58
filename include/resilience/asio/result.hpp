// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_ASIO_RESULT_HPP
#define RESILIENCE_ASIO_RESULT_HPP

#include <resilience/error.hpp>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <system_error>

namespace boost::asio {}

namespace resilience {

namespace net = boost::asio;

/** A value, or the @ref Failure that stands in its place.

    Every asynchronous operation of this library completes with `void(Result<T>)`, so
    `co_await` yields the result itself and nothing is thrown for what a peer did.
*/
template <class T>
using Result = boost::system::result<T, Failure>;

/// Called by `Result::value()` when there is none; the exception carries code and detail.
[[noreturn]] inline void
throw_exception_from_error(const Failure& failure, const boost::source_location&) {
    throw std::system_error(failure.code, failure.detail);
}

}  // namespace resilience

#endif
