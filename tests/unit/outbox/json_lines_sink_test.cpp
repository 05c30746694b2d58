// SPDX-License-Identifier: MIT
#include <resilience/json_lines_sink.hpp>

#include "contracts/event_sink.hpp"
#include "unit/outbox/json_lines_folder.hpp"

#include <boost/json/object.hpp>

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

using namespace resilience;
using namespace std::chrono_literals;
using namespace resilience::json_lines_test;
using contract::run;
using contract::detail::all_good;
using contract::detail::sink_event;

namespace {

ClaimedEvent event(std::int64_t seq, std::string key = "k") {
    return sink_event(seq, std::move(key), "t");
}

std::vector<ClaimedEvent> events(std::int64_t first, std::int64_t last) {
    std::vector<ClaimedEvent> all;
    for (auto seq = first; seq <= last; ++seq) all.push_back(event(seq));
    return all;
}

using Results = std::vector<Result<void>>;

struct World {
    Folder folder;
    net::io_context io;
    std::optional<JsonLinesSink> sink;

    explicit World(std::size_t remembered_ids = 1000) { reopen(remembered_ids); }
    void reopen(std::size_t remembered_ids = 1000) {
        sink.reset();
        sink.emplace(JsonLinesSinkOptions{
            .path = folder.file(), .remembered_ids = remembered_ids});
    }
    Results deliver(const std::vector<ClaimedEvent>& batch) {
        return run(io, sink->deliver(batch));
    }
    std::vector<std::int64_t> seqs() const { return seqs_of(folder.file()); }
};

class FileUnderTest final : public contract::SinkUnderTest {
public:
    net::io_context& io() override { return world_.io; }
    EventSink& sink() override { return *world_.sink; }
    std::string topic() override { return "t"; }
    void make_undeliverable(Event& e) override { e.event_data = "{"; }
    std::vector<contract::Arrived> arrived(std::size_t) override {
        std::vector<contract::Arrived> all;
        std::ifstream in(world_.folder.file(), std::ios::binary);
        for (std::string line; std::getline(in, line);) all.push_back(arrived_as(line));
        return all;
    }

private:
    static contract::Arrived arrived_as(const std::string& line) {
        const auto object = json::parse(line).as_object();
        const auto text = [&object](const char* name) {
            return std::string{object.at(name).as_string()};
        };
        contract::Arrived one{.key = text("partitionkey")};
        one.data = line.substr(line.find("\"data\":") + 7);
        one.data.pop_back();
        for (const char* name :
             {"specversion", "id", "source", "type", "subject", "time"}) {
            one.headers["ce_" + std::string{name}] = text(name);
        }
        if (object.contains("traceparent"))
            one.headers["traceparent"] = text("traceparent");
        if (const auto* headers = object.if_contains("headers")) {
            for (const auto& [name, value] : headers->as_object()) {
                one.headers[std::string{name}] = std::string{value.as_string()};
            }
        }
        return one;
    }

    World world_;
};

// Restores the limit on file sizes, which is the process's own.
class FileSizeLimit {
public:
    explicit FileSizeLimit(std::uintmax_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        auto limit = before_;
        limit.rlim_cur = bytes;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
    ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("O6: the file sink keeps the contract of sinks") {
    contract::check_event_sink([] { return std::make_unique<FileUnderTest>(); });
}

TEST_CASE("I8: an event that is delivered again is left out and counts as delivered") {
    World world;
    CHECK(all_good(world.deliver(events(1, 3))));
    CHECK(all_good(world.deliver(events(2, 5))));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5});

    SUBCASE("by another relay on the same file") {
        JsonLinesSink other({.path = world.folder.file()});
        CHECK(all_good(run(world.io, other.deliver(events(4, 6)))));
        CHECK(all_good(world.deliver(events(6, 7))));
        CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7});
    }
    SUBCASE("after a restart") {
        world.reopen();
        CHECK(all_good(world.deliver(events(1, 6))));
        CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
    }
    SUBCASE("twice in one batch") {
        CHECK(all_good(world.deliver({event(6), event(6)})));
        CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
    }
}

TEST_CASE("I8: only the last remembered_ids are remembered") {
    World world(3);
    CHECK(all_good(world.deliver(events(1, 5))));
    SUBCASE("while the sink lives") {}
    SUBCASE("after a restart") { world.reopen(3); }
    CHECK(all_good(world.deliver(events(3, 5))));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5});
    CHECK(all_good(world.deliver(events(2, 2))));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5, 2});
}

TEST_CASE("I8: a line that was cut short is removed before the next is written") {
    World world;
    CHECK(all_good(world.deliver(events(1, 2))));
    const auto whole = read(world.folder.file());
    const auto torn = whole.substr(0, whole.find('\n'));
    // Every length of the torn line, among them one that ends inside of the id.
    for (const std::size_t length : {std::size_t{1}, std::size_t{40}, torn.size()}) {
        append(world.folder.file(), torn.substr(0, length));
        SUBCASE("seen by a new sink") { world.reopen(); }
        SUBCASE("left by another process") {}
        CHECK(all_good(world.deliver(events(1, 2))));
        CHECK(read(world.folder.file()) == whole);
    }
    append(world.folder.file(), std::string(200'000, 'x'));
    CHECK(all_good(world.deliver(events(3, 3))));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("lines that somebody else wrote are kept and mean nothing") {
    World world;
    const std::string foreign = "\n# a note\n{\"id\":\"7\"}\n" +
                                std::string(300'000, 'x') +
                                "\n{\"specversion\":\"1.0\",\"id\":\"\\\"\\\\\n";
    append(world.folder.file(), foreign);
    CHECK(all_good(world.deliver(events(1, 2))));
    CHECK(all_good(world.deliver(events(1, 2))));
    const auto content = read(world.folder.file());
    REQUIRE(content.starts_with(foreign));
    append(world.folder.path() / "ours", content.substr(foreign.size()));
    CHECK(seqs_of(world.folder.path() / "ours") == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("a file that was moved away is made anew, and its ids are remembered") {
    World world;
    CHECK(all_good(world.deliver(events(1, 2))));
    fs::rename(world.folder.file(), world.folder.path() / "old");
    CHECK(all_good(world.deliver(events(2, 3))));
    CHECK(world.seqs() == std::vector<std::int64_t>{3});
    // Emptied in place, as `copytruncate` does.
    fs::resize_file(world.folder.file(), 0);
    CHECK(all_good(world.deliver(events(3, 4))));
    CHECK(world.seqs() == std::vector<std::int64_t>{4});
}

TEST_CASE("a batch of many megabytes is written whole") {
    World world;
    std::vector<ClaimedEvent> batch;
    for (std::int64_t seq = 1; seq <= 20; ++seq) {
        batch.push_back(sink_event(
            seq,
            "k",
            "t",
            "{\"seq\":" + std::to_string(seq) + ",\"x\":\"" + std::string(300'000, 'x') +
                "\"}"
        ));
    }
    CHECK(all_good(world.deliver(batch)));
    world.reopen();
    CHECK(all_good(world.deliver(batch)));
    CHECK(world.seqs().size() == 20);
}

TEST_CASE("O7: on a full disk nothing of the batch stays, and the destination is down") {
    World world;
    CHECK(all_good(world.deliver(events(1, 2))));
    const auto before = read(world.folder.file());
    // Room for one line of three, then for none.
    for (const std::size_t room : {before.size() / 2 + 50, std::size_t{0}}) {
        Results results;
        {
            const FileSizeLimit limit(before.size() + room);
            results = world.deliver({event(3, "a"), event(4, "a"), event(5, "b")});
        }
        REQUIRE(results.size() == 3);
        CHECK(results[0].error() == Errc::storage_full);
        CHECK(is_retryable(results[0].error().code));
        CHECK(results[1].error() == Errc::cancelled);
        CHECK(results[2].error() == Errc::storage_full);
        CHECK(results[2].error().detail.find("events.jsonl") != std::string::npos);
        CHECK(read(world.folder.file()) == before);
    }
    CHECK(all_good(world.deliver({event(3, "a"), event(4, "a"), event(5, "b")})));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3, 4, 5});
}

TEST_CASE("O7: a place that cannot be written is a destination that is down") {
    const Folder folder;
    net::io_context io;
    const auto result_of = [&](const fs::path& path) {
        JsonLinesSink sink({.path = path});
        const auto results = run(io, sink.deliver(events(1, 1)));
        REQUIRE(results.size() == 1);
        REQUIRE_FALSE(results[0].has_value());
        return results[0].error();
    };
    CHECK(result_of(folder.path() / "missing" / "file") == Errc::storage_full);
    CHECK(result_of(folder.path()) == Errc::storage_full);
    CHECK(result_of("/dev/null").detail == "/dev/null: is not a regular file");
}

TEST_CASE("O7: a read-only file and a read-only directory are destinations that are down"
) {
    const Folder folder;
    append(folder.file(), "");
    ::chmod(folder.file().c_str(), 0444);
    ::chmod(folder.path().c_str(), 0555);
    const auto child = ::fork();
    if (child == 0) {
        // Permissions bind everybody but root.
        if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
        int wrong = 0;
        for (const auto& path : {folder.file(), folder.path() / "new"}) {
            net::io_context io;
            JsonLinesSink sink({.path = path});
            const auto results = run(io, sink.deliver(events(1, 1)));
            if (results[0].has_value() || !(results[0].error() == Errc::storage_full)) {
                ++wrong;
            }
        }
        ::_exit(wrong);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    ::chmod(folder.path().c_str(), 0755);
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("O7: a lock that another process keeps is waited for up to lock_timeout") {
    World world;
    world.sink.emplace(JsonLinesSinkOptions{
        .path = world.folder.file(), .lock_timeout = 1ms});
    append(world.folder.file(), "");
    const int holder = ::open(world.folder.file().c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::flock(holder, LOCK_EX) == 0);
    CHECK(world.deliver(events(1, 1))[0].error() == Errc::timed_out);
    CHECK(read(world.folder.file()).empty());
    ::close(holder);
    CHECK(all_good(world.deliver(events(1, 1))));
    CHECK(world.seqs() == std::vector<std::int64_t>{1});
}

TEST_CASE("an event that no line can hold is refused by the name of its field") {
    World world;
    const auto refusal = [&](auto change) {
        auto bad = event(1);
        change(bad.event);
        const auto results = world.deliver({bad});
        REQUIRE_FALSE(results[0].has_value());
        CHECK(results[0].error() == Errc::invalid_request);
        return results[0].error().detail;
    };
    CHECK(refusal([](Event& e) { e.event_data = "{} {}"; }) == "event_data: is not JSON");
    CHECK(refusal([](Event& e) {
              e.event_data = "{\"a\":\"\n\"}";
          }) == "event_data: is not JSON");
    CHECK(refusal([](Event& e) { e.id.clear(); }) == "id: must have 1 to 255 bytes");
    CHECK(refusal([](Event& e) {
              e.id.assign(256, 'x');
          }) == "id: must have 1 to 255 bytes");
    CHECK(refusal([](Event& e) { e.topic = "\xff"; }) == "topic: is not valid UTF-8");
    CHECK(refusal([](Event& e) {
              e.headers = {{"a", "\xff"}};
          }) == "headers: are not valid UTF-8");
}

TEST_CASE("I8: an id with quotes, backslashes or many escapes is known again") {
    World world;
    for (const auto& id :
         {std::string{"a\"b\\"}, std::string(255, '\x01'), std::string{"\\"}}) {
        auto odd = event(1);
        odd.event.id = id;
        CHECK(all_good(world.deliver({odd})));
        world.reopen();
        CHECK(all_good(world.deliver({odd})));
    }
    // An id does not end at a quote of its own.
    auto other = event(1);
    other.event.id = "a\"c";
    CHECK(all_good(world.deliver({other})));
    CHECK(world.seqs().size() == 4);
}

TEST_CASE("I8: destroying the sink waits for the delivery in hand") {
    World world;
    const auto batch = events(1, 3);
    Results results;
    net::co_spawn(
        world.io,
        world.sink->deliver(batch),
        [&](std::exception_ptr, Results r) { results = std::move(r); }
    );
    world.io.poll();
    world.sink.reset();
    world.io.restart();
    world.io.run();
    CHECK(results.size() == 3);
    CHECK(all_good(results));
    CHECK(world.seqs() == std::vector<std::int64_t>{1, 2, 3});
}

TEST_CASE("a bad sink option is named") {
    const auto make = [](JsonLinesSinkOptions options) {
        JsonLinesSink{std::move(options)};
    };
    CHECK_THROWS_WITH(make({}), "path: is empty");
    CHECK_THROWS_WITH(
        make({.path = "f", .remembered_ids = 0}), "remembered_ids: must be at least 1"
    );
    CHECK_THROWS_WITH(make({.path = "f", .source = ""}), "source: is empty");
    CHECK_THROWS_WITH(
        make({.path = "f", .lock_timeout = 0ms}), "lock_timeout: must be positive"
    );
}
