// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_SESSION_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_SESSION_HPP

#include <libpq-fe.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::e2e {

/// A statement that failed, with the server's own words.
struct SessionError : std::runtime_error {
    using runtime_error::runtime_error;
};

/// A session of PostgreSQL by libpq alone, blocking.
class Session {
public:
    using Row = std::vector<std::string>;

    /// @throws SessionError There is no connection.
    explicit Session(const std::string& conninfo);

    /// Runs one statement; NULL becomes an empty text.
    /// @throws SessionError It fails.
    std::vector<Row> run(
        const std::string& statement, const std::vector<std::string>& arguments = {}
    );

    /// The first value of the first row.
    std::string value(
        const std::string& statement, const std::vector<std::string>& arguments = {}
    );

    PGconn* native() const { return connection_.get(); }

private:
    struct Finish {
        void operator()(PGconn* connection) const { PQfinish(connection); }
    };
    std::unique_ptr<PGconn, Finish> connection_;
};

}  // namespace resilience::e2e

#endif
