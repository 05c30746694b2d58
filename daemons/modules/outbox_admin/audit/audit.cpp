// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/audit/audit.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/audit/audit_judge.hpp>
#include <modules/outbox_admin/audit/audit_rows.hpp>
#include <modules/outbox_admin/audit/audit_topics.hpp>
#include <modules/outbox_admin/audit/redeliver.hpp>
#include <modules/outbox_admin/lanes/lane_hold.hpp>
#include <modules/outbox_admin/outbox/outbox_table.hpp>
#include <modules/outbox_admin/outbox/topics.hpp>

#include <resilience/postgres/lane_survey.hpp>
#include <resilience/postgres/outbox_window_source.hpp>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;
using resilience::postgres::OutboxWindowSource;

// Of each kind.
constexpr std::size_t most_listed = 100;

UnjudgedWord word_of(const Request& request) {
    if (request.count_unjudged && request.deliver_unjudged) {
        throw std::invalid_argument(
            "--deliver-unjudged: not together with --count-unjudged-as-delivered"
        );
    }
    if (request.count_unjudged) return UnjudgedWord::delivered;
    return request.deliver_unjudged ? UnjudgedWord::not_delivered : UnjudgedWord::none;
}

std::vector<int> lanes_of(const Tools& tools) {
    if (tools.request.lane >= tools.lanes.lanes) {
        throw std::invalid_argument("--lane: there are only RELAY_LANES lanes");
    }
    if (tools.request.lane >= 0) return {static_cast<int>(tools.request.lane)};
    std::vector<int> lanes;
    for (int lane = 0; lane < tools.lanes.lanes; ++lane) lanes.push_back(lane);
    return lanes;
}

// What an audit compares and finds.
struct Audit {
    explicit Audit(const Tools& t)
        : tools(t),
          source(t.executor, {.connection = t.database}),
          ledger(static_cast<std::size_t>(t.request.most_rows)) {}

    const Tools& tools;
    OutboxWindowSource source;
    AuditSpan span;
    AuditLedger ledger;
    TopicsSeen seen;
    Judged judged;
    // What is delivered again, by lane and seq.
    std::vector<DueRow> due;
    Redelivered sent;
};

// Compares what the ledger expects with the topics.
net::awaitable<Result<void>> compare(Audit& audit) {
    auto seen = co_await look_at_topics(audit.tools, audit.span, audit.ledger);
    if (!seen) co_return seen.error();
    audit.seen = std::move(*seen);
    const auto& request = audit.tools.request;
    audit.judged = judge(audit.ledger.missing(), audit.seen.kept, named_topics(request));
    audit.due = request.deliver_unjudged ? audit.ledger.missing() : audit.judged.missing;
    co_return Result<void>{};
}

// The rows of one lane that are delivered again.
std::span<const DueRow> due_of(const Audit& audit, int lane) {
    const auto first = std::ranges::lower_bound(audit.due, lane, {}, &DueRow::lane);
    const auto last = std::ranges::upper_bound(audit.due, lane, {}, &DueRow::lane);
    return {first, last};
}

net::awaitable<Result<std::int64_t>> renumber(const Tools& tools, bool dry_run) {
    OutboxTable table{tools};
    const auto opened = co_await table.open();
    if (!opened) co_return opened.error();
    Result<std::int64_t> count{std::int64_t{0}};
    if (dry_run) {
        count = co_await table.count_foreign_numbers();
    } else {
        count = co_await table.take_own_numbers();
    }
    co_return count;
}

// The first ones of some rows; `text` names each as `what`.
json::array list(const std::vector<DueRow>& rows, const char* what, std::string& text) {
    json::array listed;
    for (const auto& row : std::span{rows}.first(std::min(rows.size(), most_listed))) {
        listed.push_back(json::object{
            {"event", row.event},
            {"lane", row.lane},
            {"seq", row.seq},
            {"topic", row.topic}});
        text += fmt::format(
            "{}: event {}, row {} of lane {}, topic {}\n",
            what,
            row.event,
            row.seq,
            row.lane,
            row.topic
        );
    }
    return listed;
}

// The first ones of those that halt their lanes.
json::array list(const std::vector<HaltingRow>& rows, std::string& text) {
    json::array listed;
    for (const auto& row : std::span{rows}.first(std::min(rows.size(), most_listed))) {
        listed.push_back(json::object{
            {"event", row.event},
            {"seq", row.seq},
            {"topic", row.topic},
            {"error", row.why.message()}});
        text += fmt::format(
            "not sent: event {}, row {}, topic {}: {}\n",
            row.event,
            row.seq,
            row.topic,
            row.why.message()
        );
    }
    return listed;
}

Report report_of(const Audit& audit, bool wrote) {
    const auto& [absent, unsure] = audit.judged;
    Report report;
    auto missing = list(absent, "missing", report.text);
    auto unjudged = list(unsure, "not judged", report.text);
    json::array phantoms;
    for (const auto& one : audit.seen.phantom_examples) {
        phantoms.push_back(json::object{
            {"event", one.event},
            {"topic", one.topic},
            {"partition", one.partition},
            {"offset", one.offset}});
        report.text += fmt::format(
            "phantom: event {}, {}[{}] offset {}\n",
            one.event,
            one.topic,
            one.partition,
            one.offset
        );
    }
    report.json = {
        {"rows", audit.ledger.rows()},
        {"records", audit.seen.records},
        {"missing", absent.size()},
        {"phantoms", audit.seen.phantoms},
        {"unjudged", unsure.size()},
        {"sent", audit.sent.sent},
        {"put_aside", audit.sent.parked},
        {"dead_letters", audit.sent.dead_letters},
        {"halting", list(audit.sent.halting, report.text)},
        {"missing_examples", std::move(missing)},
        {"unjudged_examples", std::move(unjudged)},
        {"phantom_examples", std::move(phantoms)}};
    report.text = fmt::format(
                      "{} rows compared with {} records: {} missing, {} phantoms\n",
                      audit.ledger.rows(),
                      audit.seen.records,
                      absent.size(),
                      audit.seen.phantoms
                  ) +
                  report.text;
    if (!unsure.empty()) {
        report.text += fmt::format(
            "{} rows are older than what their topics keep, or of topics that were not "
            "read, and cannot be judged\n",
            unsure.size()
        );
    }
    report.text += wrote
                       ? fmt::format("{} events were delivered again\n", audit.sent.sent)
                       : std::string{"nothing was written\n"};
    if (audit.sent.parked > 0) {
        report.text += fmt::format(
            "{} of them were put aside, as their keys are parked\n", audit.sent.parked
        );
    }
    if (audit.sent.dead_letters > 0) {
        report.text +=
            fmt::format("{} of them are dead letters\n", audit.sent.dead_letters);
    }
    if (!audit.sent.halting.empty()) {
        report.text +=
            "what is not sent needs RELAY_POISON or RELAY_POISON_TOPICS to say that it "
            "goes elsewhere\n";
    }
    const bool is_good = absent.empty() && unsure.empty() && audit.seen.phantoms == 0;
    if (!is_good) report.code = something_wrong;
    return report;
}

void declare_comparison(host::Config& config, Request& request) {
    declare_topics(config, request);
    config.integer(
        "--most-rows",
        request.most_rows,
        1,
        1'000'000'000,
        "Rows that are compared at most, some 200 bytes of memory each"
    );
    relay::declare_poison(config, request.relay);
}

}  // namespace

void declare_audit(host::Config& config, Request& request) {
    request.since = std::chrono::hours{1};
    declare_comparison(config, request);
    config.integer("--lane", request.lane, -1, 63, "One lane alone; -1: all");
    config.flag("--dry-run", request.dry_run, "Tell what is wrong and write nothing");
}

net::awaitable<Result<Report>> audit(const Tools& tools) {
    Audit audit{tools};
    LaneHold hold{tools};
    const auto lanes = lanes_of(tools);
    const bool dry_run = tools.request.dry_run;
    std::vector<FoundPosition> positions;
    if (dry_run) {
        auto found = co_await read_positions(tools);
        if (!found) co_return found.error();
        positions = std::move(*found);
    } else {
        const auto held = co_await hold.take(lanes);
        if (!held) co_return held.error();
        positions.resize(
            static_cast<std::size_t>(tools.lanes.lanes),
            FoundPosition{std::optional<LanePosition>{}}
        );
        for (const int lane : lanes) {
            positions.at(static_cast<std::size_t>(lane)) = hold.position(lane);
        }
    }
    const auto span = co_await find_span(tools);
    if (!span) co_return span.error();
    audit.span = *span;
    audit.span.topics = named_topics(tools.request);
    const auto source = co_await audit.source.identity();
    if (!source) co_return source.error();
    for (const int lane : lanes) {
        const auto& position = positions.at(static_cast<std::size_t>(lane));
        if (!position) co_return position.error();
        if (!*position) continue;
        if (!((*position)->source == *source)) {
            co_return fail(
                Errc::history_changed,
                "the position of lane " + std::to_string(lane) +
                    " speaks of another source, " + name_of((*position)->source) +
                    ": see outbox rebase"
            );
        }
        const auto done = co_await expect_delivered(
            audit.source, lane, **position, audit.span, audit.ledger
        );
        if (!done) co_return done.error();
    }
    const auto compared = co_await compare(audit);
    if (!compared) co_return compared.error();
    Redelivery redelivery{tools, audit.source, hold};
    for (const int lane : lanes) {
        if (dry_run || !hold.position(lane)) continue;
        LanePosition between = *hold.position(lane);
        // It shows what the window does up to its last row, and more.
        const std::string snapshot =
            between.window.empty() ? between.seen : between.window;
        const auto done = co_await redelivery.lane(
            lane, due_of(audit, lane), snapshot, between, Redelivery::Rest::is_delivered
        );
        if (!done) co_return done.error();
    }
    audit.sent = redelivery.done();
    co_return report_of(audit, !dry_run);
}

void declare_rebase(host::Config& config, Request& request) {
    declare_comparison(config, request);
    config.flag("--yes", request.yes, "Do it; else it is only told what would be done");
    config.flag(
        "--count-unjudged-as-delivered",
        request.count_unjudged,
        "Rows that the topics tell nothing of were delivered"
    );
    config.flag(
        "--deliver-unjudged",
        request.deliver_unjudged,
        "Rows that the topics tell nothing of were not delivered: deliver them"
    );
}

net::awaitable<Result<Report>> rebase(const Tools& tools) {
    Audit audit{tools};
    LaneHold hold{tools};
    const auto lanes = lanes_of(tools);
    const bool dry_run = !tools.request.yes;
    const auto word = word_of(tools.request);
    if (!dry_run) {
        const auto held = co_await hold.take(lanes);
        if (!held) co_return held.error();
    }
    const auto renumbered = co_await renumber(tools, dry_run);
    if (!renumbered) co_return renumbered.error();
    const auto source = co_await audit.source.identity();
    if (!source) co_return source.error();
    const auto window = co_await audit.source.look();
    if (!window) co_return window.error();
    // In this order, so that the span knows every row that the window shows: one that is
    // committed after the span was found may have a `seq` that it passes over.
    const auto span = co_await find_span(tools);
    if (!span) co_return span.error();
    audit.span = *span;
    const auto durable = co_await audit.source.gate(window->insert);
    if (!durable) co_return durable.error();
    LanePosition next{
        .source = *source, .seen = window->snapshot, .window = window->snapshot};
    for (const int lane : lanes) {
        const auto done =
            co_await expect_delivered(audit.source, lane, next, audit.span, audit.ledger);
        if (!done) co_return done.error();
    }
    const auto compared = co_await compare(audit);
    if (!compared) co_return compared.error();
    if (!dry_run) {
        const auto allowed = may_go_on(audit.judged.unjudged.size(), word);
        if (!allowed) co_return allowed.error();
    }
    Redelivery redelivery{tools, audit.source, hold};
    for (const int lane : lanes) {
        if (dry_run) break;
        const auto& last = hold.position(lane);
        if (last) next.map_version = last->map_version;
        next.parked = last ? last->parked : std::vector<ParkedKey>{};
        auto between = next;
        between.source = {};
        const auto done = co_await redelivery.lane(
            lane, due_of(audit, lane), window->snapshot, between, Redelivery::Rest::waits
        );
        if (!done) co_return done.error();
        // Its position would count as delivered what waits.
        if (!*done) continue;
        next.parked = between.parked;
        const auto moved = co_await hold.commit(lane, {}, next);
        if (!moved) co_return moved.error();
    }
    audit.sent = redelivery.done();
    auto report = report_of(audit, !dry_run);
    report.json["source"] = json_of(*source);
    report.json["renumbered"] = *renumbered;
    if (*renumbered > 0) {
        report.text += fmt::format(
            "{} rows {} transaction numbers of another server\n",
            *renumbered,
            dry_run ? "are not compared, as they have" : "had"
        );
    }
    report.text += dry_run ? "give --yes to deliver what is missing and to go on in " +
                                 name_of(*source) + '\n'
                           : "the lanes go on in " + name_of(*source) + " behind " +
                                 window->snapshot + '\n';
    if (!audit.sent.halting.empty()) {
        report.text +=
            "but for those of rows that are not sent: what is behind these "
            "waits, and relays refuse, until rebase is run again\n";
    }
    // What was missing is there now, as it was meant to be.
    const bool is_mended = audit.seen.phantoms == 0 && audit.judged.unjudged.empty() &&
                           audit.sent.halting.empty();
    if (!dry_run && is_mended) report.code = nothing_wrong;
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
