// SPDX-License-Identifier: MIT
// What an exception on a worker's thread becomes.
#include "kafka/run_on_worker.hpp"

#include <resilience/kafka/lane_positions.hpp>
#include <resilience/kafka/topic_reader.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>

using namespace resilience;

namespace {

struct Nothing {};

template <class T>
T run(net::io_context& io, net::awaitable<T> work) {
    auto result = net::co_spawn(io, std::move(work), net::use_future);
    io.restart();
    io.run();
    return result.get();
}

template <class Thrown>
Result<void> failure_of(Thrown thrown) {
    net::io_context io;
    kafka::detail::Worker worker{io};
    auto job = [thrown](Nothing&, const std::stop_token&) -> Result<void> {
        throw thrown;
    };
    return run(
        io,
        kafka::detail::run_on_worker<void>(
            io.get_executor(), worker, std::make_shared<Nothing>(), std::move(job)
        )
    );
}

// A worker that there is no memory for.
struct NoMemory {
    template <class Job>
    void post(Job) {
        throw std::bad_alloc{};
    }
};

// librdkafka opens the file when a client is made, not before.
kafka::ProducerOptions without_ca_file() {
    kafka::ProducerOptions options;
    options.brokers = "localhost:1";
    options.security.protocol = kafka::SecurityProtocol::ssl;
    options.security.ca_file = "/there/is/no/such/ca.pem";
    return options;
}

template <class T>
void check_refused(const Result<T>& result) {
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error() == Errc::invalid_request);
    CHECK(result.error().message().find("ssl.ca.location") != std::string::npos);
}

}  // namespace

TEST_CASE("What a job throws on the worker's thread becomes the failure of its call") {
    CHECK(failure_of(std::invalid_argument{"x"}).error() == Errc::invalid_request);
    const auto known = failure_of(std::runtime_error{"no memory"});
    CHECK(known.error() == Errc::internal);
    CHECK(known.error().detail == "no memory");
    CHECK(failure_of(7).error() == Errc::internal);
}

TEST_CASE("A job that no worker takes fails its call, and keeps nothing") {
    net::io_context io;
    NoMemory worker;
    const auto session = std::make_shared<Nothing>();
    int jobs = 0;
    auto job = [&jobs](Nothing&, const std::stop_token&) -> Result<void> {
        ++jobs;
        return {};
    };
    net::cancellation_signal cancel;
    Result<void> result;
    net::co_spawn(
        io,
        kafka::detail::run_on_worker<void>(io.get_executor(), worker, session, job),
        net::bind_cancellation_slot(
            cancel.slot(),
            [&](std::exception_ptr error, Result<void> ended) {
                CHECK_FALSE(error);
                result = std::move(ended);
            }
        )
    );
    io.run();
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error() == Errc::internal);
    CHECK(jobs == 0);
    CHECK(session.use_count() == 1);
}

TEST_CASE("A reader whose CA file does not exist fails to open, as often as it is tried"
) {
    net::io_context io;
    kafka::TopicReader reader{io.get_executor(), without_ca_file(), {.topics = {"t"}}};
    check_refused(run(io, reader.open()));
    check_refused(run(io, reader.open()));
    CHECK(reader.progress().empty());
    const auto unopened = run(io, reader.read());
    CHECK(unopened.error() == Errc::invalid_request);
}

TEST_CASE("Positions are not read with a CA file that does not exist") {
    net::io_context io;
    kafka::LanePositions positions{io.get_executor(), without_ca_file(), {.outbox = "o"}};
    check_refused(run(io, positions.last(0)));
}
