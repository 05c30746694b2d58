// SPDX-License-Identifier: MIT
#include <resilience/redis/connection.hpp>

#include <boost/asio/io_context.hpp>

int main() {
    boost::asio::io_context io;
    const resilience::redis::Connection connection(
        io.get_executor(), resilience::redis::with_address("localhost:6379")
    );
    return 0;
}
