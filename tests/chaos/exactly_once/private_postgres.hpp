// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_PRIVATE_POSTGRES_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_PRIVATE_POSTGRES_HPP

#include <e2e/harness/process.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace resilience::e2e {

/** A PostgreSQL of the test's own, to be killed, restarted, copied and promoted.

    Its data is removed at the end. As root it runs as the user postgres, or nobody.
*/
class PrivatePostgres {
public:
    /// Makes it and waits until it answers.
    /// @param settings `name=value`, over those that all of them have.
    /// @param disk An empty folder for its data, else it has one of its own.
    explicit PrivatePostgres(
        std::vector<std::string> settings = {}, const std::filesystem::path& disk = {}
    );

    /// Makes a standby of it, which streams from now on.
    static PrivatePostgres standby_of(const PrivatePostgres& primary);

    ~PrivatePostgres();
    PrivatePostgres(PrivatePostgres&&) = default;
    PrivatePostgres& operator=(PrivatePostgres&&) = delete;

    /// DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME, that of the first database.
    Environment environment() const;

    void start();
    bool running() { return server_->running(); }
    /// All that it ever said.
    std::string log() const { return server_->output(); }
    /// Ends every process of it at once, as a machine would that loses its power; what
    /// was only in memory is lost.
    void kill();
    /// Ends its sessions and then itself, in order.
    void stop();
    /// Makes a standby the primary of a new timeline, and waits until it is.
    void promote();

    /// Runs one of PostgreSQL's programs as the server's user.
    std::string run(const std::string& command) const;

private:
    struct Copy {};
    PrivatePostgres(Copy, const PrivatePostgres& primary);

    void choose_folder();
    void give_to_user(const std::filesystem::path& folder) const;
    std::vector<std::string> as_user(std::vector<std::string> command) const;
    std::string data() const { return (home_->path() / "data").string(); }

    std::string programs_;
    std::string user_;
    std::vector<std::string> settings_;
    std::optional<ScratchFolder> home_;
    int port_ = 0;
    std::optional<Process> server_;
};

}  // namespace resilience::e2e

#endif
