// SPDX-License-Identifier: MIT
#include "unit/host/loopback.hpp"

#include <host/app.hpp>

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/this_coro.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::host {
namespace {

// An app in a thread of its own. What happened is written down in order.
struct Running {
    AppOptions options;
    std::optional<App> app;
    std::vector<std::string> events;
    std::promise<void> ready;
    std::future<int> code;

    Running() {
        options.name = "test";
        options.server.address = {"127.0.0.1", 0};
        options.log_level = "error";
        options.drain_timeout = std::chrono::seconds{5};
    }

    App::Hook note(std::string text) {
        return [this, text]() -> net::awaitable<void> {
            events.push_back(text);
            co_return;
        };
    }

    void run() {
        app->on_start("ready", [this]() -> net::awaitable<void> {
            ready.set_value();
            co_return;
        });
        code = std::async(std::launch::async, [this] { return app->run(); });
    }
};

net::awaitable<void> wait_for_ever() {
    net::steady_timer never{co_await net::this_coro::executor, TimePoint::max()};
    co_await never.async_wait(net::use_awaitable);
}

TEST_CASE_FIXTURE(
    Running, "I12: start steps in order, stop steps in reverse, exit code 0"
) {
    for (std::int64_t threads : {1, 3}) {
        CAPTURE(threads);
        options.threads = threads;
        options.admin = Address{"127.0.0.1", 0};
        app.emplace(options);
        ready = {};
        events.clear();
        app->on_start("a", note("start a"));
        app->on_start("b", note("start b"));
        app->on_stop("a", note("stop a"));
        app->on_stop("b", note("stop b"));
        app->background("loop", [this]() -> net::awaitable<void> {
            try {
                co_await wait_for_ever();
            } catch (const boost::system::system_error&) {
                events.push_back("loop ended");
            }
        });
        app->router().root().get("/x", {}, [](Request&) -> net::awaitable<Response> {
            co_return text_response(200, "x");
        });
        run();
        ready.get_future().wait();
        Client client{app->port()};
        CHECK(client.ask(get("/x")).body == "x");
        CHECK(client.ask(get("/livez")).status == 200);
        CHECK(client.ask(get("/openapi.json")).body.find("\"/x\"") != std::string::npos);
        Client admin{app->admin_port()};
        CHECK(admin.ask(get("/metrics")).body.find("route=\"/x\"") != std::string::npos);
        CHECK(admin.ask(get("/readyz")).status == 200);
        CHECK(admin.ask(get("/x")).status == 404);
        app->stop();
        CHECK(code.get() == 0);
        const std::vector<std::string> expected{
            "start a", "start b", "loop ended", "stop b", "stop a"};
        CHECK(events == expected);
    }
}

TEST_CASE_FIXTURE(Running, "I12: SIGTERM ends the program with exit code 0") {
    app.emplace(options);
    run();
    ready.get_future().wait();
    Client client{app->port()};
    CHECK(client.ask(get("/livez")).status == 200);
    std::raise(SIGTERM);
    CHECK(code.get() == 0);
    CHECK(client.ended());
}

TEST_CASE_FIXTURE(Running, "A start step that throws ends the start with exit code 1") {
    app.emplace(options);
    app->on_start("a", note("start a"));
    app->on_start("b", []() -> net::awaitable<void> {
        throw std::runtime_error("no database");
        co_return;
    });
    app->on_start("c", note("start c"));
    app->on_stop("a", note("stop a"));
    app->background("loop", wait_for_ever);
    CHECK(app->run() == 1);
    const std::vector<std::string> expected{"start a", "stop a"};
    CHECK(events == expected);
}

TEST_CASE_FIXTURE(Running, "Background work that ends takes the program with it") {
    app.emplace(options);
    app->background("loop", []() -> net::awaitable<void> {
        throw std::runtime_error("lost");
        co_return;
    });
    app->background("other", wait_for_ever);
    app->on_stop("a", note("stop a"));
    CHECK(app->run() == 1);
    CHECK(events == std::vector<std::string>{"stop a"});
}

TEST_CASE_FIXTURE(Running, "A stop step that throws or hangs holds nobody up for long") {
    options.drain_timeout = std::chrono::milliseconds{100};
    app.emplace(options);
    app->on_stop("a", note("stop a"));
    app->on_stop("b", []() -> net::awaitable<void> {
        throw std::runtime_error("torn");
        co_return;
    });
    app->on_stop("c", wait_for_ever);
    app->on_start("end", [this]() -> net::awaitable<void> {
        app->stop();
        co_return;
    });
    CHECK(app->run() == 0);
    CHECK(events == std::vector<std::string>{"stop a"});
}

TEST_CASE_FIXTURE(Running, "M10: parts are looked after although nobody asks") {
    options.health = {
        .reuse = std::chrono::milliseconds{0}, .watch = std::chrono::milliseconds{1}};
    app.emplace(options);
    int looks = 0;
    std::promise<void> looked;
    app->health().add("users", Need::required, [&]() -> net::awaitable<PartHealth> {
        if (++looks == 3) looked.set_value();
        co_return PartHealth{};
    });
    run();
    looked.get_future().wait();
    app->stop();
    CHECK(code.get() == 0);
}

TEST_CASE_FIXTURE(Running, "A port that is taken ends the start with exit code 1") {
    Loopback other;
    other.start();
    options.server.address.port = other.server->port();
    app.emplace(options);
    CHECK(app->run() == 1);
}

TEST_CASE_FIXTURE(Running, "X12: a setting that is at fault ends the start with code 2") {
    SUBCASE("found by a start step") {
        app.emplace(options);
        app->on_start("a", []() -> net::awaitable<void> {
            throw std::invalid_argument("DATA_DIR: is not a folder");
            co_return;
        });
    }
    SUBCASE("found by the listener") {
        // Reserved for documentation, so nobody has it.
        options.server.address = {"203.0.113.7", 0};
        app.emplace(options);
    }
    SUBCASE("found by the second listener") {
        options.admin = Address{"203.0.113.7", 0};
        app.emplace(options);
    }
    CHECK(app->run() == 2);
}

}  // namespace

namespace {

// As a client whose threads end with the context.
class LastWords final : public net::execution_context::service {
public:
    using key_type = LastWords;
    static inline net::execution_context::id id;

    explicit LastWords(net::execution_context& context, Log* log = nullptr)
        : service(context), log_(log) {}

private:
    void shutdown() override {
        if (log_) log_->warn("last words");
    }

    Log* log_;
};

}  // namespace

TEST_CASE("what ends with the context may still write to the log") {
    App app{AppOptions{.name = "test"}};
    net::make_service<LastWords>(
        net::query(app.executor(), net::execution::context), &app.log()
    );
}

}  // namespace resilience::host
