// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_INTEGRATION_KAFKA_PRIVATE_BROKER_HPP
#define RESILIENCE_TESTS_INTEGRATION_KAFKA_PRIVATE_BROKER_HPP

#include "integration/kafka/cluster.hpp"

#include <sys/types.h>

#include <filesystem>
#include <string>

namespace resilience::test {

/** An Apache Kafka of the test's own, to be stopped, killed and started again.

    One node with a data directory that is removed at the end; topics are not made by
    themselves. Its jars are those of RESILIENCE_TEST_KAFKA_JARS.
*/
class PrivateBroker {
public:
    /// Starts it and waits until it answers.
    /// @param settings Further lines of its `server.properties`.
    /// @param advertised_port Unless 0, a second port of 127.0.0.1 at which it tells
    ///     clients that come by @ref proxied_port to find it.
    explicit PrivateBroker(std::string settings = {}, int advertised_port = 0);
    ~PrivateBroker();
    PrivateBroker(const PrivateBroker&) = delete;
    PrivateBroker& operator=(const PrivateBroker&) = delete;

    const Cluster& cluster() const { return cluster_; }
    int proxied_port() const { return proxied_port_; }
    /// All that it ever said.
    std::string log() const;

    /// The process stands still, its sockets stay open.
    void pause();
    void resume();

    /// Ends the process as a crash would.
    void kill();

    /// Starts it again on the same data and port.
    void start();

private:
    void write_settings(int port, int controller_port) const;

    std::string settings_;
    int advertised_port_;
    int proxied_port_ = 0;
    std::filesystem::path home_;
    std::string jars_;
    Cluster cluster_{""};
    pid_t process_ = -1;
};

}  // namespace resilience::test

#endif
