// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/parked/unpark.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/parked/parked_letters.hpp>
#include <modules/outbox_admin/parked/parked_writer.hpp>

#include <resilience/dead_letter.hpp>
#include <resilience/kafka/topic_reader.hpp>
#include <resilience/postgres/lane_survey.hpp>
#include <resilience/postgres/unparks.hpp>

#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

namespace json = boost::json;
using resilience::kafka::TopicReader;

// One transaction takes so many events, or the one that brings them to so many bytes.
constexpr std::size_t chunk_events = 500;
constexpr std::size_t chunk_bytes = 1024 * 1024;
// Of events that come before an earlier one of their parking.
constexpr std::size_t most_waiting = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds look_interval{200};
// A word that was not acted on may be lost. A relay hears one within a second.
constexpr std::chrono::seconds repeat_interval{2};

// The parking that the request means.
Result<Parking> find_parking(
    const std::vector<FoundPosition>& positions, const Request& request
) {
    std::optional<Parking> found;
    for (std::size_t i = 0; i < positions.size(); ++i) {
        const int lane = static_cast<int>(i);
        if (request.lane >= 0 && lane != request.lane) continue;
        if (!positions[i]) return positions[i].error();
        if (!*positions[i]) continue;
        for (const auto& one : (*positions[i])->parked) {
            const bool is_meant = one.key == request.key &&
                                  (request.topic.empty() || one.topic == request.topic);
            if (!is_meant) continue;
            if (found) {
                throw std::invalid_argument(fmt::format(
                    "--topic: the key is parked for topic {} in lane {} and for topic {} "
                    "in lane {}; give --topic, or --lane",
                    found->parked.topic,
                    found->lane,
                    one.topic,
                    lane
                ));
            }
            found = Parking{lane, one};
        }
    }
    if (found) return *found;
    return fail(
        Errc::not_found,
        "the key is not parked; outbox status shows those that are" +
            std::string{request.topic.empty() ? "" : ", and for which topics"}
    );
}

class Unparking {
public:
    Unparking(const Tools& tools, Parking parking)
        : tools_(tools), parking_(std::move(parking)), writer_(tools, parking_) {}

    net::awaitable<Result<void>> open() {
        const auto opened = co_await writer_.open();
        if (!opened) co_return opened.error();
        const auto mark = writer_.mark();
        const auto marked = mark ? mark->value_or(Unparked{}) : Unparked{};
        const auto said = tools_.request.written;
        const auto by_hand = static_cast<std::uint64_t>(std::max<std::int64_t>(said, 0));
        ParkedWitness of_mark{parking_, marked.written};
        ParkedWitness of_hand{parking_, by_hand};
        if (marked.written > 0 || by_hand > 0) {
            const auto looked = co_await look(of_mark, of_hand);
            if (!looked) co_return looked.error();
        }
        Result<Unparked> done = marked;
        if (!mark) {
            done = mark.error();
        } else if (marked.written > 0) {
            done = believed(marked, of_mark.found());
        }
        // Whoever says it has seen what is there.
        if (said >= 0 && (!done || done->written < by_hand)) {
            const auto there = of_hand.found();
            done = by_hand > 0 && there ? *there : Unparked{by_hand, {}, {}};
        }
        if (!done) {
            auto failure = done.error();
            failure.detail +=
                ", so the mark is not believed: say with --written how many of the "
                "parked events are in their topic";
            co_return failure;
        }
        auto begun = co_await writer_.begin(*done);
        co_return begun;
    }

    net::awaitable<Result<Report>> run() {
        connection_.emplace(tools_.executor, tools_.database);
        const auto connected = co_await connection_->async_connect(net::use_awaitable);
        if (!connected) co_return connected.error();
        std::optional<TimePoint> begun;
        std::optional<TimePoint> said;
        while (true) {
            const auto parked = co_await writer_.parking();
            if (!parked) co_return parked.error();
            if (!*parked && !begun) {
                co_return fail(Errc::not_found, "somebody else has just unparked it");
            }
            if (!*parked) break;
            parking_.parked = **parked;
            const auto before = writer_.done().written;
            if (before > parking_.parked.events) {
                co_return fail(
                    Errc::corrupt_data,
                    "more events of the parking were written than it has, by their mark"
                );
            }
            if (before < parking_.parked.events) {
                const auto written = co_await write();
                if (!written) co_return written.error();
                if (writer_.refused()) co_return report(false);
                said.reset();
            }
            const auto now = Clock::now();
            if (!begun) begun = now;
            if (!said || now - *said >= repeat_interval) {
                auto word = parking_.parked;
                word.events = writer_.done().written;
                const auto told = co_await resilience::postgres::request_unpark(
                    *connection_, tools_.lanes.outbox, parking_.lane, std::move(word)
                );
                if (!told) co_return told.error();
                said = now;
            }
            // After the word: it is given of all that was written.
            if (now - *begun >= tools_.request.wait) {
                auto why = co_await late();
                co_return why;
            }
            net::steady_timer timer{tools_.executor, look_interval};
            co_await timer.async_wait(net::use_awaitable);
        }
        auto made = report(true);
        const auto forgotten = co_await writer_.forget();
        made.json["forgotten"] = forgotten.others;
        if (forgotten.left) {
            made.json["marks_left"] = forgotten.left->message();
            made.text += "marks that are no longer needed are left to the next unpark: " +
                         forgotten.left->message() + '\n';
        }
        co_return made;
    }

private:
    resilience::kafka::TopicReaderOptions parked_topic() const {
        resilience::kafka::TopicReaderOptions options;
        options.topics = {parking_.parked.topic + std::string{default_park_suffix}};
        options.patience = tools_.request.patience;
        return options;
    }

    // Shows them all that is put aside.
    net::awaitable<Result<void>> look(ParkedWitness& one, ParkedWitness& other) {
        auto options = parked_topic();
        options.skip_missing = true;
        TopicReader reader{tools_.executor, tools_.kafka, std::move(options)};
        const auto opened = co_await reader.open();
        if (!opened) co_return opened.error();
        while (true) {
            auto records = co_await reader.read();
            if (!records) co_return records.error();
            if (records->empty()) co_return Result<void>{};
            for (auto& record : *records) {
                one.add(record);
                other.add(std::move(record));
            }
        }
    }

    // Writes the events that are put aside by now, and were not the last time.
    net::awaitable<Result<void>> write() {
        auto options = parked_topic();
        options.offsets = reached_;
        TopicReader reader{tools_.executor, tools_.kafka, std::move(options)};
        const auto opened = co_await reader.open();
        if (!opened) co_return opened.error();
        if (!letters_) letters_.emplace(parking_, writer_.done().written, most_waiting);
        while (true) {
            auto records = co_await reader.read();
            if (!records) co_return records.error();
            if (records->empty()) break;
            for (auto& record : *records) {
                const auto added = letters_->add(std::move(record));
                if (!added) co_return added.error();
            }
            while (true) {
                const auto chunk = letters_->take(chunk_events, chunk_bytes);
                if (chunk.empty()) break;
                const auto sent = co_await writer_.send(chunk);
                if (!sent) co_return sent.error();
                if (writer_.refused()) co_return Result<void>{};
            }
        }
        for (const auto& one : reader.progress()) {
            reached_.insert_or_assign(one.partition, one.reached);
        }
        if (writer_.done().written >= parking_.parked.events) co_return Result<void>{};
        co_return fail(
            Errc::not_found,
            fmt::format(
                "parked event {} of {} is not in {}{}: write it by hand, and say so with "
                "--written",
                letters_->next(),
                parking_.parked.events,
                parking_.parked.topic,
                default_park_suffix
            )
        );
    }

    net::awaitable<Result<Report>> late() {
        const auto survey = co_await resilience::postgres::survey_lanes(*connection_);
        if (!survey) co_return survey.error();
        const bool is_owned =
            std::ranges::count(
                survey->owners, parking_.lane, &resilience::postgres::LaneOwner::lane
            ) > 0;
        co_return fail(
            Errc::timed_out,
            fmt::format(
                "lane {} has not ended the parking yet, of which {} events are in their "
                "topic: {}",
                parking_.lane,
                writer_.done().written,
                is_owned
                    ? "if writers of the key put more aside all the time, stop them; "
                      "then run it again"
                    : "nobody has the lane; start a relay and run it again"
            )
        );
    }

    Report report(bool is_unparked) const {
        const auto& parked = parking_.parked;
        const auto& refused = writer_.refused();
        Report made;
        made.json = {
            {"lane", parking_.lane},
            {"topic", parked.topic},
            {"key", parked.key},
            {"since", parked.since},
            {"events", parked.events},
            {"sent", writer_.sent()},
            {"written", writer_.done().written},
            {"unparked", is_unparked}};
        made.text = fmt::format(
            "key {} of topic {} in lane {}: {} of {} parked events are in their topic, "
            "{} "
            "of them written now\n",
            parked.key,
            parked.topic,
            parking_.lane,
            writer_.done().written,
            parked.events,
            writer_.sent()
        );
        if (refused) {
            made.json["refused"] = json::object{
                {"number", refused->number},
                {"event", refused->event},
                {"error", refused->why.message()}};
            made.text += fmt::format(
                "event {}, number {}, is refused: {}\nmend the topic and run it again; "
                "or "
                "write the event by hand or leave it out, and run it again with "
                "--written={}\n",
                refused->event,
                refused->number,
                refused->why.message(),
                refused->number
            );
        }
        made.text += is_unparked ? "it is unparked: later events go to their topic\n"
                                 : "it stays parked\n";
        if (!is_unparked) made.code = something_wrong;
        return made;
    }

    const Tools& tools_;
    Parking parking_;
    ParkedWriter writer_;
    // What was read, and how far; what was taken of it is written.
    std::optional<ParkedLetters> letters_;
    std::map<resilience::kafka::TopicPartition, std::int64_t> reached_;
    std::optional<resilience::postgres::Connection> connection_;
};

}  // namespace

void declare_unpark(host::Config& config, Request& request) {
    config.positional("key", request.key, {}, "The key that is parked");
    config.topic("--topic", request.topic, "The topic of its events; default: any");
    config.integer("--lane", request.lane, -1, 63, "Its lane; -1: any");
    config.integer(
        "--written",
        request.written,
        -1,
        std::numeric_limits<std::int64_t>::max(),
        "The first so many of its parked events are in their topic, or nobody misses "
        "them; -1: as many as were written by this command"
    );
    config.duration(
        "--wait",
        request.wait,
        std::chrono::seconds{1},
        std::chrono::milliseconds{100},
        std::chrono::hours{1},
        "How long a relay is waited for, once all events are written"
    );
}

net::awaitable<Result<Report>> unpark(const Tools& tools) {
    const auto& request = tools.request;
    if (request.lane >= tools.lanes.lanes) {
        throw std::invalid_argument("--lane: there are only RELAY_LANES lanes");
    }
    const auto positions = co_await read_positions(tools);
    if (!positions) co_return positions.error();
    const auto parking = find_parking(*positions, request);
    if (!parking) co_return parking.error();
    if (request.written > 0 &&
        static_cast<std::uint64_t>(request.written) > parking->parked.events) {
        throw std::invalid_argument(fmt::format(
            "--written: only {} events of the key are put aside", parking->parked.events
        ));
    }
    Unparking unparking{tools, *parking};
    const auto opened = co_await unparking.open();
    if (!opened) co_return opened.error();
    auto report = co_await unparking.run();
    co_return report;
}

}  // namespace resilience::modules::outbox_admin
