// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_UNPARK_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_PARKED_UNPARK_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `key --topic --lane --written --wait`.
void declare_unpark(host::Config& config, Request& request);

/** Brings the parked events of a key to their topic, each once and in their order, and
    then has the relay that owns the lane deliver later ones there again.

    @li One unparking or replay at a time: a later one fences an earlier one. Where that
        one finds another mark than its own it ends.
    @li With the events goes a mark, in the same transactions, of how many are written.
        Marks are read first, so that a run that was killed is simply repeated. A mark is
        compared with the parked event that it names: positions may be lost, and marks
   not.
    @li The word that ends the parking (@ref postgres::request_unpark) counts the events
        that were written. Where more were put aside meanwhile, those are written and the
        word is given again. It is repeated, too, as an owner that ends may lose it.
    @li The lane's position tells what came of it, and nothing else does.

    Something is wrong when an event is refused by its topic: those before it are there,
    none behind it is, and its key stays parked.

    @par Errors
    @li Errc::not_found The key is not parked, or a parked event is not in its topic, not
        that either with which a mark would be compared.
    @li Errc::timed_out No relay has ended the parking in time. All events that the
        message counts are in their topic; a word that was given stays, and is void if
        more are put aside.
    @li Errc::fenced Somebody else unparks or replays, too. It may be run again.
    @li Errc::corrupt_data There are two events of one number, or a mark speaks of another
        one. Nobody guesses which one counts.
    @li Those of @ref Replay, @ref kafka::TopicReader, @ref kafka::LanePositions and the
        database.

    @throws std::invalid_argument The key is parked for several topics or lanes, and the
        request does not say which; or it speaks of events that were not put aside.
*/
net::awaitable<Result<Report>> unpark(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
