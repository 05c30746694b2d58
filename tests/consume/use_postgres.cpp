// SPDX-License-Identifier: MIT
#include <resilience/postgres/pool.hpp>

#include <boost/asio/io_context.hpp>

int main() {
    boost::asio::io_context io;
    const resilience::postgres::Pool pool(io.get_executor());
    return pool.stats().size == 0 ? 0 : 1;
}
