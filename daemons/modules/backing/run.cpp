// SPDX-License-Identifier: MIT
#include <modules/backing/run.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>

namespace resilience::modules::backing {

int run_to_end(
    const std::string& program,
    const DatabaseSettings& settings,
    const std::function<net::awaitable<Result<void>>(Database&)>& work
) {
    std::string failure;
    int code = 1;
    try {
        net::io_context io;
        auto database = std::make_unique<Database>(io.get_executor(), settings);
        net::co_spawn(
            io,
            [&]() -> net::awaitable<void> {
                const auto done = co_await work(*database);
                if (!done) failure = done.error().message();
                // Its connections would keep the context running.
                database.reset();
            },
            [&](std::exception_ptr error) {
                if (error) std::rethrow_exception(error);
            }
        );
        io.run();
    } catch (const std::invalid_argument& e) {
        failure = e.what();
        code = 2;
    } catch (const std::exception& e) {
        failure = e.what();
    }
    if (failure.empty()) return 0;
    std::fprintf(stderr, "%s: %s\n", program.c_str(), failure.c_str());
    return code;
}

}  // namespace resilience::modules::backing
