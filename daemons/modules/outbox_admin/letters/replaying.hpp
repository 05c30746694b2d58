// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_REPLAYING_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_LETTERS_REPLAYING_HPP

#include <modules/outbox_admin/letters/replay.hpp>

#include <resilience/kafka/topic_reader.hpp>

#include <boost/json/array.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace resilience::modules::outbox_admin {

/// As it is listed. Pure.
boost::json::object json_of(const DeadLetter& letter);

/** Sends dead letters that were not sent before, one in each transaction: one that is
    refused keeps no other back.

    Two at a time fence one another, and each letter is still sent once: whoever takes the
    identity reads the marks before it sends.

    @par Thread safety
    None.

    @par Object lifetimes
    The tools must outlive it.
*/
class Replaying {
public:
    explicit Replaying(const Tools& tools);

    /// From here on no other replay adds a mark.
    /// @par Errors
    /// Those of @ref Replay::ready.
    net::awaitable<Result<void>> open();

    /** Sends a letter, unless a mark tells that it was sent. One that its topic refuses
        is counted, and no error.

        @par Errors
        @li Errc::fenced Another replay was opened.
        @li Others of @ref Replay::ready and @ref Replay::commit.
    */
    net::awaitable<Result<void>> send(DeadLetter letter);

    /// Takes marks of letters back that are in their topics no longer. Returns how many.
    /// @par Errors
    /// Those of @ref Replay::ready and @ref Replay::commit.
    net::awaitable<Result<std::size_t>> forget(
        const std::vector<resilience::kafka::PartitionProgress>& partitions
    );

    /// Letters that were asked for.
    std::int64_t seen() const { return sent_ + before_ + refused_; }

    Report report(std::size_t forgotten) const;

private:
    void refuse(const DeadLetter& letter, const Failure& why);

    const Tools& tools_;
    Replay replay_;
    std::int64_t sent_ = 0;
    std::int64_t before_ = 0;
    std::int64_t refused_ = 0;
    boost::json::array examples_;
    std::string text_;
};

}  // namespace resilience::modules::outbox_admin

#endif
