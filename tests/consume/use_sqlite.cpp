// SPDX-License-Identifier: MIT
#include <resilience/sqlite/database.hpp>

#include <boost/asio/io_context.hpp>

int main() {
    boost::asio::io_context io;
    resilience::sqlite::Database database(io.get_executor(), {.path = ":memory:"});
    int rows = 0;
    database.async_execute("SELECT 1", {}, [&rows](auto result) {
        rows = static_cast<int>(result.value().size());
    });
    io.run();
    return rows == 1 ? 0 : 1;
}
