// SPDX-License-Identifier: MIT
#include <resilience/sqlite/database.hpp>

#include "worker.hpp"

#include <stdexcept>
#include <utility>

namespace resilience::sqlite {
namespace {

DatabaseOptions checked(DatabaseOptions options) {
    if (options.path.empty()) throw std::invalid_argument("path: is empty");
    if (options.busy_timeout.count() < 0) {
        throw std::invalid_argument("busy_timeout: must not be negative");
    }
    if (options.operation_timeout.count() <= 0) {
        throw std::invalid_argument("operation_timeout: must be positive");
    }
    if (options.transaction_timeout.count() <= 0) {
        throw std::invalid_argument("transaction_timeout: must be positive");
    }
    if (options.queue_limit == 0) {
        throw std::invalid_argument("queue_limit: must be at least 1");
    }
    if (options.statement_cache == 0) {
        throw std::invalid_argument("statement_cache: must be at least 1");
    }
    if (options.max_result_bytes == 0) {
        throw std::invalid_argument("max_result_bytes: must be positive");
    }
    return options;
}

}  // namespace

Database::Database(executor_type executor, DatabaseOptions options)
    : worker_(std::make_shared<detail::Worker>(
          std::move(executor), checked(std::move(options))
      )) {
    worker_->start();
}

Database::~Database() { worker_->shut_down(); }

Database::executor_type Database::get_executor() const { return worker_->executor(); }

DatabaseStats Database::stats() const { return worker_->stats(); }

std::optional<Failure> Database::write_failure() const {
    return worker_->write_failure();
}

void Database::open(const WorkerPointer& worker, Handler<void> handler) {
    worker->submit<void>(std::move(handler), [w = worker.get()](auto& self) {
        return w->open(self);
    });
}

void Database::execute(
    const WorkerPointer& worker,
    std::string sql,
    std::vector<Parameter> parameters,
    Handler<Rows> handler
) {
    worker->submit<Rows>(
        std::move(handler),
        [w = worker.get(), sql = std::move(sql), values = std::move(parameters)](
            auto& self
        ) { return w->execute(self, sql, values); }
    );
}

void Database::run_script(
    const WorkerPointer& worker, std::string sql, Handler<void> handler
) {
    worker->submit<void>(
        std::move(handler),
        [w = worker.get(), sql = std::move(sql)](auto& self) {
            return w->run_script(self, sql);
        }
    );
}

}  // namespace resilience::sqlite
