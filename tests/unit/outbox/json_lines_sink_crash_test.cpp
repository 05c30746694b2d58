// SPDX-License-Identifier: MIT
#include <resilience/json_lines_sink.hpp>

#include "contracts/event_sink.hpp"
#include "unit/outbox/json_lines_folder.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>

#include <csignal>
#include <optional>
#include <random>
#include <string>

using namespace resilience;
using namespace resilience::json_lines_test;
using contract::run;
using contract::detail::all_good;
using contract::detail::sink_event;

namespace {

using Results = std::vector<Result<void>>;
constexpr std::int64_t batch_size = 8;

std::vector<ClaimedEvent> large_batch(std::int64_t number) {
    std::vector<ClaimedEvent> batch;
    for (auto seq = number * batch_size; seq < (number + 1) * batch_size; ++seq) {
        batch.push_back(sink_event(
            seq,
            "k",
            "t",
            "{\"seq\":" + std::to_string(seq) + ",\"x\":\"" +
                std::string(static_cast<std::size_t>(seq % 5 * 30'000), 'x') + "\"}"
        ));
    }
    return batch;
}

// Delivers batch after batch from `first` on and reports each that is done, for ever.
[[noreturn]] void deliver_until_killed(
    const fs::path& path, std::int64_t first, int report
) {
    net::io_context io;
    JsonLinesSink sink({.path = path, .remembered_ids = 100});
    for (auto number = first;; ++number) {
        const auto batch = large_batch(number);
        std::optional<Results> results;
        net::co_spawn(io, sink.deliver(batch), [&](std::exception_ptr, Results r) {
            results = std::move(r);
        });
        io.restart();
        io.run();
        if (!results || !all_good(*results)) ::_exit(1);
        if (::write(report, &number, sizeof number) != sizeof number) ::_exit(2);
    }
}

}  // namespace

TEST_CASE("I8: kill -9 at any moment: no event twice, none lost, no line torn") {
    const Folder folder;
    std::mt19937 random{42};
    std::int64_t next = 0;
    for (int kill = 0; kill < 60; ++kill) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const auto child = ::fork();
        if (child == 0) deliver_until_killed(folder.file(), next, ends[1]);
        ::close(ends[1]);
        // The moment is that of a report plus a part of a delivery, so that it falls into
        // the reading of the file, the writing and the syncing.
        for (auto reports = random() % 3; reports > 0; --reports) {
            std::int64_t done = 0;
            REQUIRE(::read(ends[0], &done, sizeof done) == sizeof done);
            next = done + 1;
        }
        pollfd none{.fd = -1, .events = 0, .revents = 0};
        const timespec moment{
            .tv_sec = 0, .tv_nsec = static_cast<long>(random() % 4'000'000)};
        ::ppoll(&none, 1, &moment, nullptr);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFSIGNALED(status));
        for (std::int64_t done = 0; ::read(ends[0], &done, sizeof done) == sizeof done;) {
            next = done + 1;
        }
        ::close(ends[0]);
    }
    net::io_context io;
    JsonLinesSink sink({.path = folder.file()});
    CHECK(all_good(run(io, sink.deliver(large_batch(next)))));
    const auto seqs = seqs_of(folder.file());
    REQUIRE(seqs.size() == static_cast<std::size_t>((next + 1) * batch_size));
    for (std::size_t i = 0; i < seqs.size(); ++i) {
        REQUIRE(seqs[i] == static_cast<std::int64_t>(i));
    }
}
