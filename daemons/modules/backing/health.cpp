// SPDX-License-Identifier: MIT
#include <modules/backing/database.hpp>
#include <modules/backing/health.hpp>

namespace resilience::modules::backing {
namespace {

std::string detail_of(const Failure& failure, bool embedded) {
    if (failure == Errc::bad_destination) return schema_is_missing;
    if (embedded && failure == Errc::unavailable) {
        return "the database file cannot be opened, or was removed or replaced";
    }
    return failure.code.message();
}

}  // namespace

net::awaitable<host::PartHealth> health_of(Database& database) {
    const auto found = co_await database.ping();
    host::PartHealth health;
    if (!found) {
        health.state = host::HealthState::down;
        health.detail = detail_of(found.error(), database.sqlite() != nullptr);
        health.cause = found.error().message();
    }
    co_return health;
}

}  // namespace resilience::modules::backing
