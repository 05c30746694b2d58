// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_MODULES_ENVIRONMENT_HPP
#define RESILIENCE_TESTS_INTEGRATION_MODULES_ENVIRONMENT_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace fixture {

namespace net = boost::asio;

/// A variable that names a server. A test without it fails.
inline std::string required(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') {
        throw std::runtime_error(
            std::string{name} + " is not set; run: eval \"$(scripts/services env)\""
        );
    }
    return value;
}

/// A name that no other test uses.
inline std::string unique_name() {
    static int count = 0;
    return "modules_" + std::to_string(::getpid()) + "_" + std::to_string(++count);
}

/// Runs all of `works` at once until they have ended.
template <class T>
std::vector<T> run_all(net::io_context& context, std::vector<net::awaitable<T>> works) {
    std::vector<std::optional<T>> results(works.size());
    std::exception_ptr error;
    std::size_t open = works.size();
    for (std::size_t i = 0; i < works.size(); ++i) {
        net::co_spawn(
            context,
            std::move(works[i]),
            [&, i](std::exception_ptr thrown, T value) {
                --open;
                if (thrown) {
                    error = thrown;
                } else {
                    results[i].emplace(std::move(value));
                }
            }
        );
    }
    context.restart();
    while (open > 0 && context.run_one() > 0) {
    }
    if (error) std::rethrow_exception(error);
    if (open > 0) throw std::logic_error("the context ran out of work");
    std::vector<T> values;
    for (auto& result : results) values.push_back(std::move(*result));
    return values;
}

template <class T>
T run(net::io_context& context, net::awaitable<T> work) {
    std::vector<net::awaitable<T>> works;
    works.push_back(std::move(work));
    return std::move(run_all(context, std::move(works)).front());
}

}  // namespace fixture

#endif
