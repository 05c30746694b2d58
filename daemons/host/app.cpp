// SPDX-License-Identifier: MIT
#include "host/app.hpp"

#include "host/part_watch.hpp"
#include "host/standard_routes.hpp"

#include <resilience/version.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <list>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <sys/resource.h>

namespace resilience::host {
namespace {

using boost::system::error_code;

constexpr std::chrono::milliseconds flush_period{250};
constexpr std::chrono::milliseconds admin_drain{1000};

// Each connection is a descriptor, and the usual soft limit is 1024.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

// The setting's name goes before what is wrong with its value.
void listen_on(Server& server, const std::string& setting) {
    try {
        server.listen();
    } catch (const std::invalid_argument& e) {
        throw std::invalid_argument(setting + ": " + e.what());
    } catch (const std::exception& e) {
        throw std::runtime_error(setting + ": " + e.what());
    }
}

struct Step {
    std::string name;
    App::Hook hook;
};

struct Work {
    Step step;
    net::cancellation_signal cancel;
    bool done = true;
};

std::string text_of(const std::exception_ptr& error) {
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return "an exception of an unknown type";
    }
}

}  // namespace

// Where threads are many, the life of the program runs on a strand.
struct App::Impl {
    explicit Impl(AppOptions o)
        : options(std::move(o)),
          log(log_level_of(options.log_level)),
          io(options.threads == 1 ? 1 : static_cast<int>(options.threads)),
          control(
              options.threads == 1 ? net::any_io_executor{io.get_executor()}
                                   : net::any_io_executor{net::make_strand(io)}
          ),
          health(options.health),
          changed(control, TimePoint::max()),
          flusher(control),
          watch(control, health, log, options.health.watch),
          signals(control) {
        options.server.strands = options.threads > 1;
        if (options.serve) add_standard_routes(router, health, metrics, document);
        if (options.admin) add_standard_routes(admin_router, health, metrics, document);
    }

    AppOptions options;
    // What ends with the context, such as a client that has threads, still writes to it.
    Log log;
    net::io_context io;
    net::any_io_executor control;
    prometheus::Metrics metrics;
    Health health;
    std::shared_ptr<std::string> document = std::make_shared<std::string>();
    Router router;
    Router admin_router;
    std::optional<Server> server;
    std::optional<Server> admin;

    std::vector<Step> start_steps;
    std::vector<Step> stop_steps;
    // Never moves: a cancellation signal stays where its slot was taken.
    std::list<Work> works;
    // Cancelled when the end is asked for and when background work ends.
    net::steady_timer changed;
    net::steady_timer flusher;
    PartWatch watch;
    net::signal_set signals;
    bool ending = false;
    int exit_code = 0;

    void listen();
    void fail(const std::exception& error);
    void fail(const std::string& sentence, int code = 1);
    void request_end();
    void await_signal();
    void flush_for_ever();
    net::awaitable<void> live();
    net::awaitable<void> start();
    void start_background();
    net::awaitable<void> end();
    net::awaitable<void> end_background();
    net::awaitable<void> run_stop_step(const Step& step);
    net::awaitable<void> run_stop_steps();
    void run_thread();
};

App::App(AppOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
App::~App() = default;

const AppOptions& App::options() const noexcept { return impl_->options; }
net::any_io_executor App::executor() noexcept { return impl_->io.get_executor(); }
Router& App::router() noexcept {
    return impl_->options.serve ? impl_->router : impl_->admin_router;
}
Log& App::log() noexcept { return impl_->log; }
prometheus::Metrics& App::metrics() noexcept { return impl_->metrics; }
Health& App::health() noexcept { return impl_->health; }

void App::on_start(std::string name, Hook hook) {
    impl_->start_steps.push_back({std::move(name), std::move(hook)});
}

void App::on_stop(std::string name, Hook hook) {
    impl_->stop_steps.push_back({std::move(name), std::move(hook)});
}

void App::background(std::string name, Hook work) {
    impl_->works.emplace_back().step = {std::move(name), std::move(work)};
}

void App::stop() {
    net::post(impl_->control, [impl = impl_.get()] { impl->request_end(); });
}

std::uint16_t App::port() const noexcept {
    return impl_->server ? impl_->server->port() : std::uint16_t{0};
}

std::uint16_t App::admin_port() const noexcept {
    return impl_->admin ? impl_->admin->port() : std::uint16_t{0};
}

int App::run() {
    // A reader of the output that goes away must not end the program.
    std::signal(SIGPIPE, SIG_IGN);
    // A file that reached its limit is an error of the write, as a full disk is.
    std::signal(SIGXFSZ, SIG_IGN);
    raise_descriptor_limit();
    try {
        impl_->listen();
    } catch (const std::exception& e) {
        impl_->fail(e);
        impl_->log.flush();
        return impl_->exit_code;
    }
    net::co_spawn(impl_->control, impl_->live(), [this](std::exception_ptr error) {
        if (error) impl_->fail(text_of(error));
        impl_->log.flush();
        impl_->io.stop();
    });
    std::vector<std::jthread> others;
    for (std::int64_t i = 1; i < impl_->options.threads; ++i) {
        others.emplace_back([this] { impl_->run_thread(); });
    }
    impl_->run_thread();
    others.clear();
    impl_->log.flush();
    return impl_->exit_code;
}

void App::Impl::run_thread() {
    while (true) {
        try {
            io.run();
            return;
        } catch (const std::exception& e) {
            log.error("an exception left a completion handler", {{"error", e.what()}});
        }
    }
}

void App::Impl::listen() {
    ServerOptions common = options.server;
    common.server_name = options.name;
    const Router& described = options.serve ? router : admin_router;
    *document = openapi_document(described, options.name, RESILIENCE_VERSION_STRING);
    if (options.serve) {
        server.emplace(io.get_executor(), common, router, log, metrics);
        listen_on(*server, "PORT");
    }
    if (options.admin) {
        common.address = *options.admin;
        admin.emplace(io.get_executor(), common, admin_router, log, metrics);
        listen_on(*admin, "METRICS_PORT");
    }
}

// What names a setting that is at fault ends the program as a malformed one does.
void App::Impl::fail(const std::exception& error) {
    const bool of_setting = dynamic_cast<const std::invalid_argument*>(&error) != nullptr;
    fail(error.what(), of_setting ? 2 : 1);
}

void App::Impl::fail(const std::string& sentence, int code) {
    exit_code = code;
    log.error(sentence);
    std::fprintf(stderr, "%s: %s\n", options.name.c_str(), sentence.c_str());
}

void App::Impl::request_end() {
    ending = true;
    changed.cancel();
}

void App::Impl::await_signal() {
    signals.async_wait([this](error_code ec, int) {
        if (ec) return;
        if (ending) {
            log.warn("told twice to end: not waiting any longer");
            exit_code = 1;
            log.flush();
            io.stop();
            return;
        }
        request_end();
        await_signal();
    });
}

void App::Impl::flush_for_ever() {
    flusher.expires_after(flush_period);
    flusher.async_wait([this](error_code ec) {
        if (ec) return;
        log.flush();
        flush_for_ever();
    });
}

net::awaitable<void> App::Impl::live() {
    signals.add(SIGINT);
    signals.add(SIGTERM);
    await_signal();
    flush_for_ever();
    try {
        co_await start();
    } catch (const std::exception& e) {
        fail(e);
        ending = true;
    }
    while (!ending) {
        error_code ignored;
        co_await changed.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
    co_await end();
}

net::awaitable<void> App::Impl::start() {
    for (const Step& step : start_steps) {
        log.debug("starting", {{"part", step.name}});
        co_await step.hook();
    }
    start_background();
    watch.start([this] { changed.cancel(); });
    if (server) server->start();
    if (admin) admin->start();
    std::vector<LogField> fields{
        {"program", options.name}, {"version", RESILIENCE_VERSION_STRING}};
    if (server) fields.emplace_back("port", server->port());
    if (admin) fields.emplace_back("metrics_port", admin->port());
    log.write(LogLevel::info, "ready", {}, fields);
    log.flush();
}

void App::Impl::start_background() {
    for (Work& work : works) {
        work.done = false;
        auto ended = [this, &work](std::exception_ptr error) {
            work.done = true;
            if (!ending) {
                const std::string why = error ? text_of(error) : "it ended by itself";
                fail(work.step.name + " failed: " + why);
            }
            request_end();
        };
        net::co_spawn(
            options.threads == 1 ? control : net::any_io_executor{net::make_strand(io)},
            work.step.hook(),
            net::bind_cancellation_slot(
                work.cancel.slot(), net::bind_executor(control, std::move(ended))
            )
        );
    }
}

net::awaitable<void> App::Impl::end() {
    log.info("ending");
    health.begin_drain();
    // Not in one condition: g++ 12 loses its way where `&&` awaits.
    if (server) {
        const bool finished = co_await server->drain(options.drain_timeout);
        if (!finished) log.warn("requests in flight were cut");
    }
    co_await end_background();
    co_await run_stop_steps();
    if (admin) co_await admin->drain(admin_drain);
    log.info("ended");
}

net::awaitable<void> App::Impl::end_background() {
    const TimePoint bound = Clock::now() + options.drain_timeout;
    const auto open = [this] {
        return std::any_of(works.begin(), works.end(), [](const Work& work) {
            return !work.done;
        });
    };
    watch.stop();
    for (Work& work : works) {
        if (!work.done) work.cancel.emit(net::cancellation_type::terminal);
    }
    while ((open() || watch.running()) && Clock::now() < bound) {
        error_code ignored;
        changed.expires_at(bound);
        co_await changed.async_wait(net::redirect_error(net::use_awaitable, ignored));
    }
    if (open()) log.warn("background work did not end in time");
}

net::awaitable<void> App::Impl::run_stop_step(const Step& step) {
    log.debug("stopping", {{"part", step.name}});
    try {
        co_await step.hook();
    } catch (const std::exception& e) {
        log.error("a part failed to stop", {{"part", step.name}, {"error", e.what()}});
    }
}

net::awaitable<void> App::Impl::run_stop_steps() {
    using namespace net::experimental::awaitable_operators;
    net::steady_timer bound{control, options.drain_timeout};
    for (auto step = stop_steps.rbegin(); step != stop_steps.rend(); ++step) {
        const auto first =
            co_await (run_stop_step(*step) || bound.async_wait(net::use_awaitable));
        if (first.index() == 1) {
            log.warn("a part did not stop in time", {{"part", step->name}});
        }
    }
}

}  // namespace resilience::host
