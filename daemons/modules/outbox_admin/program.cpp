// SPDX-License-Identifier: MIT
#include <modules/outbox_admin/program.hpp>

#include <host/config.hpp>
#include <modules/outbox_admin/audit/audit.hpp>
#include <modules/outbox_admin/lanes/change_lanes.hpp>
#include <modules/outbox_admin/letters/dlq.hpp>
#include <modules/outbox_admin/parked/unpark.hpp>
#include <modules/outbox_admin/reading/status.hpp>
#include <modules/outbox_admin/reading/verify.hpp>

#include <resilience/version.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>

#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace resilience::modules::outbox_admin {
namespace {

using Work = net::awaitable<Result<Report>> (*)(const Tools&);

struct Command {
    std::string_view name;
    std::string_view summary;
    void (*declare)(host::Config&, Request&);
    Work work;
};

constexpr Command commands[] = {
    {"verify",
     "Reads the topics and tells what is missing, there twice or out of order.",
     declare_verify,
     verify},
    {"status",
     "Shows who has which lanes, and how far they are.",
     declare_status,
     status},
    {"lag", "Tells how many events are not delivered yet.", declare_lag, lag},
    {"audit",
     "Compares the table with the topics, and delivers again what is missing.",
     declare_audit,
     audit},
    {"rebase",
     "Goes on in a database that was restored or promoted.",
     declare_rebase,
     rebase},
    {"dlq list", "Lists dead letters.", declare_dlq_list, dlq_list},
    {"dlq replay",
     "Sends dead letters to the topics that they were meant for, each once.",
     declare_dlq_replay,
     dlq_replay},
    {"unpark",
     "Sends the parked events of a key, and has later ones delivered again.",
     declare_unpark,
     unpark},
    {"lanes", "Changes how many lanes there are.", declare_lanes_command, change_lanes},
};

std::string usage() {
    std::string text =
        "usage: outbox <command> [options]\n\n"
        "Looks after an outbox that relay delivers exactly once.\n\n"
        "Commands; each has its own --help:\n";
    for (const auto& [name, summary, declare, work] : commands) {
        text += "  " + std::string{name} + std::string(12 - name.size(), ' ');
        text += std::string{summary} + '\n';
    }
    return text +
           "\nExit codes: 0 nothing is wrong, 1 something is, 2 usage, 3 it could not be "
           "done.\n";
}

void declare_all(host::Config& config, Request& request, const Command& command) {
    command.declare(config, request);
    config.flag("--json", request.json, "Print one JSON object");
    config.duration(
        "--patience",
        request.patience,
        std::chrono::seconds{1},
        std::chrono::milliseconds{100},
        std::chrono::hours{1},
        "How long a reading of Kafka goes on while nothing comes"
    );
    backing::declare(config, request.database);
    backing::declare(config, request.kafka);
    relay::declare_lanes(config, request.relay);
}

int complain(int code, std::string_view words) {
    std::fprintf(stderr, "outbox: %.*s\n", static_cast<int>(words.size()), words.data());
    return code;
}

int perform(const Command& command, const Request& request) {
    std::optional<Result<Report>> result;
    try {
        net::io_context io;
        const Tools tools{io.get_executor(), request};
        net::co_spawn(
            io,
            [&]() -> net::awaitable<void> {
                auto done = co_await command.work(tools);
                result.emplace(std::move(done));
            },
            [](std::exception_ptr error) {
                if (error) std::rethrow_exception(error);
            }
        );
        io.run();
    } catch (const std::invalid_argument& error) {
        return complain(bad_usage, error.what());
    } catch (const std::exception& error) {
        return complain(not_possible, error.what());
    }
    if (!result) return complain(not_possible, "nothing was done");
    if (!*result) return complain(not_possible, result->error().message());
    const auto& report = **result;
    const auto text =
        request.json ? boost::json::serialize(report.json) + '\n' : report.text;
    std::fwrite(text.data(), 1, text.size(), stdout);
    return report.code;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
    std::string name = argc > 1 ? argv[1] : "";
    // A command of two words.
    if (name == "dlq" && argc > 2) {
        name += std::string{' '} + argv[2];
        --argc;
        ++argv;
    }
    if (name == "--help" || name == "-help" || name == "-h") {
        std::fputs(usage().c_str(), stdout);
        return nothing_wrong;
    }
    if (name == "--version" || name == "-version") {
        std::puts("outbox " RESILIENCE_VERSION_STRING);
        return nothing_wrong;
    }
    for (const auto& command : commands) {
        if (command.name != name) continue;
        host::Config config{"outbox " + name, std::string{command.summary}};
        Request request;
        declare_all(config, request, command);
        if (const auto code = config.read(argc - 1, argv + 1)) return *code;
        return perform(command, request);
    }
    std::fputs(usage().c_str(), stderr);
    return bad_usage;
}

}  // namespace resilience::modules::outbox_admin
