// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_RELAY_ROW_LANES_HPP
#define RESILIENCE_MODULES_RELAY_ROW_LANES_HPP

#include <resilience/lane_ownership.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>

namespace resilience::postgres {
class Pool;
}

namespace resilience::modules::relay {

/** Looks whether each row of the outbox is in one of the lanes that are run: a row of
    another would never be delivered.

    @return What is wrong, a sentence that names the setting; empty when nothing is.
    @par Errors
    Those of the database.
*/
net::awaitable<Result<std::string>> check_row_lanes(postgres::Pool& pool, int lanes);

/** An ownership that nothing is taken from before the rows were found to be in its lanes:
    until then it fails with Errc::invalid_request and the sentence.

    @par Object lifetimes
    The pool and the other ownership must outlive it.
*/
class RowCheckedOwnership final : public LaneOwnership {
public:
    RowCheckedOwnership(postgres::Pool& pool, LaneOwnership& ownership, int lanes)
        : pool_(pool), ownership_(ownership), lanes_(lanes) {}

    net::awaitable<Result<LaneCensus>> look() override;
    net::awaitable<Result<bool>> take(int lane) override { return ownership_.take(lane); }
    net::awaitable<Result<void>> give_up(int lane) override {
        return ownership_.give_up(lane);
    }
    void leave() override { ownership_.leave(); }

private:
    postgres::Pool& pool_;
    LaneOwnership& ownership_;
    int lanes_;
    bool checked_ = false;
};

}  // namespace resilience::modules::relay

#endif
