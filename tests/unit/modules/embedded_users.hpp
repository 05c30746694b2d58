// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_EMBEDDED_USERS_HPP
#define RESILIENCE_TESTS_EMBEDDED_USERS_HPP

#include "route_fixture.hpp"

#include <modules/backing/database.hpp>
#include <modules/backing/execute.hpp>
#include <modules/users/routes.hpp>

#include <resilience/sqlite/database.hpp>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace fixture {

/// A folder of its own that goes with it.
class Folder {
public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "resilience-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = pattern;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

/// The embedded database with its schema, and the store on it.
struct EmbeddedUsers : Routes {
    Folder folder;
    resilience::modules::backing::Database database;
    std::unique_ptr<resilience::modules::users::UserStore> store;

    explicit EmbeddedUsers(resilience::OutboxOptions outbox = {})
        : database(context.get_executor(), {.data_dir = folder.path()}),
          store(resilience::modules::users::make_user_store(
              database, resilience::Outbox{std::move(outbox)}, metrics
          )) {
        const auto opened = run(context, database.open());
        if (!opened) FAIL("open: ", opened.error().message());
    }

    /// The cells of a query as texts.
    std::vector<std::vector<std::string>> rows(std::string sql) {
        std::vector<std::vector<std::string>> found;
        const auto result = run(context, query(std::move(sql)));
        if (!result) FAIL("query: ", result.error().message());
        for (const auto& row : *result) {
            auto& cells = found.emplace_back();
            for (std::size_t i = 0; i < result->columns(); ++i) {
                cells.emplace_back(row.text(i));
            }
        }
        return found;
    }

    std::vector<std::vector<std::string>> events() {
        return rows(
            "SELECT event_type, aggregate_id, event_data, partition_key, topic, "
            "headers, CAST(max_retries AS TEXT), status, aggregate_type "
            "FROM outbox_events ORDER BY seq"
        );
    }

    std::size_t users() { return rows("SELECT id FROM users").size(); }

private:
    net::awaitable<resilience::Result<resilience::sqlite::Rows>> query(std::string sql) {
        co_return co_await resilience::modules::backing::execute(
            *database.sqlite(), std::move(sql)
        );
    }
};

}  // namespace fixture

#endif
