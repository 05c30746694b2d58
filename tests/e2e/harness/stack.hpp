// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_HARNESS_STACK_HPP
#define RESILIENCE_TESTS_E2E_HARNESS_STACK_HPP

#include <e2e/harness/http_client.hpp>
#include <e2e/harness/process.hpp>

#include <optional>
#include <string>
#include <vector>

namespace resilience::e2e {

/// What a delivered message looks like to a foreign reader.
struct Message {
    std::string id;
    std::string type;
    std::string key;
    std::string data;
    /// Empty unless it was delivered exactly once.
    std::string lane;
    std::string lane_seq;
};

/** The unified server and the relay as a user runs them, with a world of their own.

    Embedded: everything lives in a scratch folder. Real: a database and a topic made for
   this stack on the servers that the environment names; a missing server fails the test.
*/
class Stack {
public:
    enum class Kind { embedded, real };

    /// @param more Variables for both programs, over the stack's own.
    explicit Stack(Kind kind, Environment more = {});
    ~Stack();

    void start_server();
    void start_relay();
    Process& server() { return *server_; }
    Process& relay() { return *relay_; }
    HttpClient http() const { return HttpClient{port_}; }
    HttpClient relay_http() const { return HttpClient{relay_port_}; }
    int port() const { return port_; }

    const Environment& environment() const { return environment_; }
    const std::filesystem::path& folder() const { return folder_.path(); }
    const std::string& topic() const { return topic_; }

    /// Rows of a query by `psql` or `sqlite3`, columns separated by `|`.
    std::vector<std::string> sql(const std::string& query) const;

    /// Everything that arrived at the topic (by `kcat`) or in the event file, in order;
    /// of a topic, in order within each partition.
    std::vector<Message> delivered() const;

    /// Runs one of the project's other programs to its end, with this stack's
    /// environment.
    std::string run(const std::string& command) const;

private:
    ScratchFolder folder_;
    Kind kind_;
    Environment environment_;
    std::string topic_;
    int port_;
    int relay_port_;
    std::optional<Process> server_;
    std::optional<Process> relay_;
};

/// The value of a variable that `scripts/services env` exports; fails the test without
/// it.
std::string required_variable(const char* name);

}  // namespace resilience::e2e

#endif
