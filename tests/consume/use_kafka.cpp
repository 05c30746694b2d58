// SPDX-License-Identifier: MIT
#include <resilience/kafka/producer.hpp>

#include <boost/asio/io_context.hpp>

int main() {
    boost::asio::io_context io;
    const resilience::kafka::Producer producer(
        io.get_executor(), {.brokers = "127.0.0.1:1"}
    );
    return producer.is_fatal() ? 1 : 0;
}
