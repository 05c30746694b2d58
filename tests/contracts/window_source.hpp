// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_WINDOW_SOURCE_HPP
#define RESILIENCE_TESTS_CONTRACTS_WINDOW_SOURCE_HPP

#include "contracts/claim_source_fixture.hpp"

#include <resilience/window_source.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace contract {

/// An empty outbox table, made anew for each use, and ways to write into it.
class WindowSourceFixture {
public:
    /// A transaction that is open until it is told how to end.
    class Writer {
    public:
        virtual ~Writer() = default;
        virtual void append(const resilience::Event& event, int lane) = 0;
        virtual void commit() = 0;
        virtual void roll_back() = 0;
    };

    virtual ~WindowSourceFixture() = default;

    /// A further source on the same table.
    virtual std::unique_ptr<resilience::WindowSource> make_source() = 0;

    virtual std::unique_ptr<Writer> begin() = 0;

    /// Where the sources work; the contract runs it.
    virtual net::io_context& context() = 0;

    void append(int number, std::string key, int lane = 0) {
        const auto writer = begin();
        writer->append(make_event(number, std::move(key)), lane);
        writer->commit();
    }
};

using MakeWindowFixture = std::function<std::unique_ptr<WindowSourceFixture>()>;

/// The contract's view of one source: synchronous, and failing the test on an error.
class Windows {
public:
    explicit Windows(WindowSourceFixture& fixture)
        : fixture_(fixture), source_(fixture.make_source()) {}

    resilience::WindowSource& source() { return *source_; }

    resilience::Window look() {
        auto window = run(fixture_.context(), source_->look());
        if (!window) FAIL("look: ", window.error().message());
        return std::move(*window);
    }

    resilience::Result<std::vector<resilience::WindowEvent>> try_read(
        const resilience::WindowSlice& slice
    ) {
        return run(fixture_.context(), source_->read(slice));
    }

    std::vector<resilience::WindowEvent> read(const resilience::WindowSlice& slice) {
        auto events = try_read(slice);
        if (!events) FAIL("read: ", events.error().message());
        return std::move(*events);
    }

    /// The ids between two snapshots.
    std::vector<std::string> ids(
        const std::string& seen, const std::string& window, int lane = 0
    ) {
        std::vector<std::string> list;
        for (const auto& event : read({.lane = lane, .seen = seen, .window = window})) {
            list.push_back(event.event.id);
        }
        return list;
    }

private:
    WindowSourceFixture& fixture_;
    std::unique_ptr<resilience::WindowSource> source_;
};

inline std::vector<std::string> event_ids(std::initializer_list<int> numbers) {
    std::vector<std::string> list;
    for (const int number : numbers) list.push_back(event_id(number));
    return list;
}

/// Which rows a window holds: I3, I5.
inline void check_windows(const MakeWindowFixture& make) {
    const auto fixture = make();
    Windows windows{*fixture};

    SUBCASE("I3: nothing is in a window of an empty table, or between equal snapshots") {
        const auto window = windows.look();
        CHECK(windows.ids("", window.snapshot).empty());
        fixture->append(1, "a");
        CHECK(windows.ids("", window.snapshot).empty());
        CHECK(windows.ids(window.snapshot, window.snapshot).empty());
    }

    SUBCASE("I3: a window holds what was committed in it, in its lane, with all fields") {
        auto event = make_event(1, "a");
        event.headers = {{"traceparent", "00-1"}};
        event.topic = "other";
        const auto writer = fixture->begin();
        writer->append(event, 0);
        writer->append(make_event(2, "b"), 1);
        writer->append(make_event(3, "a"), 0);
        writer->commit();
        const auto first = windows.look();
        const auto events = windows.read({.lane = 0, .window = first.snapshot});
        REQUIRE(events.size() == 2);
        CHECK(events[0].event.id == event_id(1));
        CHECK(events[0].event.aggregate_type == "user");
        CHECK(events[0].event.aggregate_id == "a");
        CHECK(events[0].event.event_type == "user.created");
        CHECK(events[0].event.topic == "other");
        CHECK(events[0].event.partition_key == "a");
        CHECK(events[0].event.headers == event.headers);
        CHECK(events[0].event.created_at.has_value());
        CHECK(events[0].defect.empty());
        CHECK(events[1].event.id == event_id(3));
        CHECK(events[1].seq > events[0].seq);
        CHECK(events[0].seq > 0);
        CHECK(windows.ids("", first.snapshot, 1) == event_ids({2}));
        CHECK(windows.ids("", first.snapshot, 2).empty());
        fixture->append(4, "a");
        CHECK(windows.ids(first.snapshot, windows.look().snapshot) == event_ids({4}));
    }

    SUBCASE("I3: what commits late is in a later window, what is rolled back in none") {
        const auto late = fixture->begin();
        late->append(make_event(1, "a"), 0);
        const auto never = fixture->begin();
        never->append(make_event(2, "b"), 0);
        fixture->append(3, "c");
        const auto first = windows.look();
        CHECK(windows.ids("", first.snapshot) == event_ids({3}));
        late->commit();
        never->roll_back();
        CHECK(windows.ids("", first.snapshot) == event_ids({3}));
        const auto second = windows.look();
        CHECK(windows.ids(first.snapshot, second.snapshot) == event_ids({1}));
        CHECK(windows.ids("", second.snapshot) == event_ids({1, 3}));
    }

    SUBCASE("I5: in a window rows come as they were written, whoever began first") {
        const auto early = fixture->begin();
        early->append(make_event(1, "other"), 1);
        fixture->append(2, "a");
        early->append(make_event(3, "a"), 0);
        early->commit();
        CHECK(windows.ids("", windows.look().snapshot) == event_ids({2, 3}));
    }
}

/// How a window is read in slices: I4.
inline void check_slices(const MakeWindowFixture& make) {
    const auto fixture = make();
    Windows windows{*fixture};
    const auto writer = fixture->begin();
    for (int i = 1; i <= 20; ++i) {
        writer->append(make_event(i, "k" + std::to_string(i % 3)), i % 2);
    }
    writer->commit();
    const auto window = windows.look().snapshot;
    resilience::WindowSlice slice{.lane = 0, .window = window, .limit = 3};
    const auto read_all = [&](Windows& by) {
        std::vector<std::string> ids;
        for (slice.last_seq = 0;;) {
            const auto events = by.read(slice);
            if (events.empty()) return ids;
            CHECK(events.size() <= slice.limit);
            for (const auto& event : events) {
                CHECK(event.seq > slice.last_seq);
                slice.last_seq = event.seq;
                ids.push_back(event.event.id);
            }
        }
    };
    const auto whole = event_ids({2, 4, 6, 8, 10, 12, 14, 16, 18, 20});

    SUBCASE("I4: slices make up the window, whoever reads them and whatever follows") {
        CHECK(read_all(windows) == whole);
        fixture->append(21, "k1");
        fixture->append(22, "k2");
        CHECK(read_all(windows) == whole);
        Windows other{*fixture};
        slice.limit = 7;
        CHECK(read_all(other) == whole);
        slice.limit = 1;
        CHECK(read_all(other) == whole);
    }

    SUBCASE("a slice ends where its bytes are reached, and has at least one row") {
        slice.limit = 100;
        slice.bytes = 1;
        CHECK(windows.read(slice).size() == 1);
        CHECK(read_all(windows) == whole);
        slice.last_seq = 0;
        slice.bytes = 60;
        const auto some = windows.read(slice);
        CHECK(some.size() > 1);
        CHECK(some.size() < whole.size());
        CHECK(read_all(windows) == whole);
    }
}

/// What is refused (I11), and the gate (I6).
inline void check_window_refusals(const MakeWindowFixture& make) {
    using resilience::Errc;
    const auto fixture = make();
    Windows windows{*fixture};
    fixture->append(1, "a");

    SUBCASE("I11: the identity stays") {
        const auto one = run(fixture->context(), windows.source().identity());
        REQUIRE(one.has_value());
        CHECK(*one != resilience::SourceIdentity{});
        CHECK(run(fixture->context(), windows.source().identity()).value() == *one);
        Windows other{*fixture};
        CHECK(run(fixture->context(), other.source().identity()).value() == *one);
    }

    SUBCASE("a slice that makes no sense is refused by the field's name") {
        const auto window = windows.look().snapshot;
        const auto refused = [&](resilience::WindowSlice slice, const char* field) {
            if (slice.window.empty()) slice.window = window;
            const auto events = windows.try_read(slice);
            REQUIRE_FALSE(events.has_value());
            CHECK(events.error() == Errc::invalid_request);
            CHECK(events.error().detail.starts_with(field));
        };
        refused({.lane = -1}, "lane: ");
        refused({.lane = 40'000}, "lane: ");
        refused({.last_seq = -1}, "last_seq: ");
        refused({.limit = 0}, "limit: ");
        refused({.bytes = 0}, "bytes: ");
        refused({.seen = "not one"}, "seen: ");
        refused({.window = "not one"}, "window: ");
        CHECK(windows.ids("", window) == event_ids({1}));
    }

    SUBCASE("I6: a window passes the gate, and so does it again") {
        const auto window = windows.look();
        CHECK(run(fixture->context(), windows.source().gate(window.insert)).has_value());
        CHECK(run(fixture->context(), windows.source().gate(window.insert)).has_value());
        CHECK(run(fixture->context(), windows.source().gate({})).has_value());
        CHECK(windows.ids("", window.snapshot) == event_ids({1}));
    }
}

}  // namespace contract

#endif
