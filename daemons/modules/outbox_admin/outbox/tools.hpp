// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_TOOLS_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_OUTBOX_TOOLS_HPP

#include <modules/outbox_admin/outbox/request.hpp>

#include <resilience/asio/result.hpp>
#include <resilience/kafka/lane_producer_options.hpp>
#include <resilience/kafka/producer_options.hpp>
#include <resilience/lane_position.hpp>
#include <resilience/postgres/connection.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <vector>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Exit codes of the program.
inline constexpr int nothing_wrong = 0;
inline constexpr int something_wrong = 1;
inline constexpr int bad_usage = 2;
inline constexpr int not_possible = 3;

/// What a command found, in both forms.
struct Report {
    int code = nothing_wrong;
    boost::json::object json;
    std::string text;
};

/// Where the outbox of a request is.
struct Tools {
    /// @throws std::invalid_argument Names the setting that is at fault.
    Tools(net::any_io_executor executor, const Request& request);

    net::any_io_executor executor;
    const Request& request;
    resilience::postgres::ConnectionOptions database;
    resilience::kafka::ProducerOptions kafka;
    resilience::kafka::LaneProducerOptions lanes;
};

/// A connection to the table's database.
net::awaitable<Result<resilience::postgres::Connection>> connect(const Tools& tools);

/// The last position of a lane, or why it cannot be read.
using FoundPosition = Result<std::optional<LanePosition>>;

/// Those of all lanes, without fencing anybody. A failure of the connection ends it.
net::awaitable<Result<std::vector<FoundPosition>>> read_positions(const Tools& tools);

/// Declares `--rows-at-once`.
void declare_slices(host::Config& config, Request& request);

/// `7f3a.../1/16384/24576`: cluster, timeline, database, table.
std::string name_of(const SourceIdentity& source);

/// As an object.
boost::json::object json_of(const SourceIdentity& source);

}  // namespace resilience::modules::outbox_admin

#endif
