// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_HPP
#define RESILIENCE_MODULES_OUTBOX_ADMIN_AUDIT_AUDIT_HPP

#include <modules/outbox_admin/outbox/tools.hpp>

namespace resilience::host {
class Config;
}

namespace resilience::modules::outbox_admin {

/// Declares `--topics --since --rows-at-once --most-rows --lane --dry-run` and
/// `RELAY_POISON*`.
void declare_audit(host::Config& config, Request& request);

/** Compares the table with the topics, and delivers again what is missing there.

    @li The lanes are held by their locks and taken over, so that no relay delivers
        meanwhile; relays that run are not ended but refused (Errc::unavailable). With
        `--dry-run` nobody is fenced and relays may run.
    @li Rows that the lanes' positions count as delivered (I3), created since the time
        asked for, must be in the topics, among their dead letters or parked events. The
        topics are read whole: no clock decides whether an event is sent again.
    @li What is missing is delivered by its lane in the order of the table, with the
        header @ref redelivered_header, in transactions with the lane's position, whose
        windows stay as they are: what was sent before a crash is found by the next audit.
    @li A missing event that its topic never takes goes where its policy says, as a relay
        would send it; with `halt_lane` it is left out and told, and the rest is done.
    @li Missing events whose keys the lane's position holds as parked are put aside with
        the others of their keys, behind them: in their topics they would overtake.
    @li Events in the topics, of the time asked for, that no row has are phantoms: the
        transaction that wrote them was lost, or the row was deleted since. They are told,
        and nothing more.
    @li Rows older than what their topic keeps, or the topics of what is put aside from
        it, cannot be judged: those are listed, and not sent.

    Something is wrong when an event was missing, is a phantom or cannot be judged.
*/
net::awaitable<Result<Report>> audit(const Tools& tools);

/// Declares `--topics --since --rows-at-once --most-rows --yes
/// --count-unjudged-as-delivered --deliver-unjudged` and `RELAY_POISON*`.
void declare_rebase(host::Config& config, Request& request);

/** Goes on in a source whose history is another one: restored, promoted or made anew
    (I11).

    As @ref audit, but for all lanes, and whatever their positions say: every row that is
    committed now, created since the time asked for, must be in the topics; older ones
    count as delivered. Each lane then has a position at one snapshot of the new history
    that cannot be lost (I6). Until a lane has it, its position names no source, and
    relays refuse to go on.

    Rows with transaction numbers of another server are given some of this one first
    (@ref OutboxTable::take_own_numbers), slice by slice. Killed in between, it is run
    again: no position speaks of the new history before all of them have theirs.

    A row that halts its lane by its policy is told, and so is nothing behind it sent: the
    lane keeps a position that names no source until a later run. Other lanes go on.

    Without `--yes` it only tells what it would do.

    Rows that cannot be judged, those of topics that were not named among them, would be
    passed over: something is wrong whenever there are some, and with `--yes` the operator
    says what they are.

    @par Errors
    @li Errc::not_found Rows cannot be judged, and the operator has not said what they
        are. No position was changed.
    @li Those of the database, @ref kafka::TopicReader and LaneHold.
*/
net::awaitable<Result<Report>> rebase(const Tools& tools);

}  // namespace resilience::modules::outbox_admin

#endif
