// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_BENCH_HTTP_LOAD_HPP
#define RESILIENCE_BENCH_HTTP_LOAD_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace resilience::bench {

/// What a load got done.
struct LoadResult {
    std::uint64_t answers = 0;
    std::chrono::duration<double> took{};

    double rate() const { return static_cast<double>(answers) / took.count(); }
};

/** Asks once and tells how many bytes the answer has.

    @throws std::runtime_error There is no server, or the answer is not a 200.
*/
std::size_t size_of_answer(std::uint16_t port, const std::string& request);

/** Sends one request over and over for `span`, on connections that are kept alive.

    Each connection waits for its answer before it asks again. Answers are counted by
    their size, which must not change, so that the client costs less than any server.

    @throws std::runtime_error A connection broke, or an answer is not a 200 of that size.
*/
LoadResult run_load(
    std::uint16_t port,
    const std::string& request,
    std::size_t connections,
    std::chrono::milliseconds span
);

}  // namespace resilience::bench

#endif
