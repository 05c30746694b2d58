// SPDX-License-Identifier: MIT
#include <resilience/json_lines_sink.hpp>

#include <resilience/asio/initiate.hpp>
#include <resilience/detail/utf8.hpp>

#include "json_lines_file.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>

#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unordered_set>

namespace resilience {
namespace {

namespace json = boost::json;

using Results = std::vector<Result<void>>;

JsonLinesSinkOptions checked(JsonLinesSinkOptions options) {
    if (options.path.empty()) throw std::invalid_argument("path: is empty");
    if (options.remembered_ids == 0) {
        throw std::invalid_argument("remembered_ids: must be at least 1");
    }
    if (options.source.empty()) throw std::invalid_argument("source: is empty");
    if (options.lock_timeout.count() <= 0) {
        throw std::invalid_argument("lock_timeout: must be positive");
    }
    return options;
}

bool is_json(const std::string& text) {
    json::monotonic_resource memory;
    json::error_code ec;
    json::parse_options options;
    options.max_depth = 512;
    (void)json::parse(text, ec, &memory, options);
    return !ec;
}

std::optional<Failure> check(const Event& event) {
    const std::pair<std::string_view, std::string_view> texts[] = {
        {"id", event.id},
        {"event_type", event.event_type},
        {"aggregate_id", event.aggregate_id},
        {"topic", event.topic},
        {"partition_key", ordering_key(event)}};
    const auto refuse = [](std::string_view field, std::string_view rule) {
        return fail(Errc::invalid_request, std::string{field} + std::string{rule});
    };
    if (event.id.empty() || event.id.size() > 255) {
        return refuse("id", ": must have 1 to 255 bytes");
    }
    for (const auto& [field, text] : texts) {
        if (!detail::is_storable_text(text)) return refuse(field, ": is not valid UTF-8");
    }
    for (const auto& [name, value] : event.headers) {
        if (!detail::is_storable_text(name) || !detail::is_storable_text(value)) {
            return refuse("headers", ": are not valid UTF-8");
        }
    }
    if (!is_json(event.event_data)) return refuse("event_data", ": is not JSON");
    return std::nullopt;
}

Failure not_tried() {
    return fail(Errc::cancelled, "an earlier event of its key was not delivered");
}

}  // namespace

struct JsonLinesSink::Impl {
    explicit Impl(JsonLinesSinkOptions o)
        : options(checked(std::move(o))),
          file(options.path, options.remembered_ids, options.lock_timeout) {}
    ~Impl() {
        file.stop();
        worker.join();
    }

    Results append(const std::vector<ClaimedEvent>& events) {
        Results results;
        std::vector<std::string> lines;
        std::vector<std::size_t> places;
        std::unordered_set<std::string_view> held;
        for (const auto& claimed : events) {
            const auto& event = claimed.event;
            if (held.contains(ordering_key(event))) {
                results.emplace_back(not_tried());
            } else if (auto refusal = check(event)) {
                held.insert(ordering_key(event));
                results.emplace_back(std::move(*refusal));
            } else {
                places.push_back(results.size());
                results.emplace_back();
                lines.push_back(cloud_event_json(event, options.source) + '\n');
            }
        }
        const auto done = file.append(lines);
        if (done) return results;
        held.clear();
        for (const auto place : places) {
            const bool first = held.insert(ordering_key(events[place].event)).second;
            results[place] = first ? done.error() : not_tried();
        }
        return results;
    }

    Results append_noexcept(const std::vector<ClaimedEvent>& events) noexcept {
        try {
            return append(events);
        } catch (const std::bad_alloc&) {
            return Results(events.size(), fail(Errc::unavailable, "out of memory"));
        } catch (const std::exception& e) {
            return Results(events.size(), fail(Errc::internal, e.what()));
        }
    }

    JsonLinesSinkOptions options;
    detail::JsonLinesFile file;
    net::thread_pool worker{1};
};

JsonLinesSink::JsonLinesSink(JsonLinesSinkOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

JsonLinesSink::~JsonLinesSink() = default;

net::awaitable<std::vector<Result<void>>> JsonLinesSink::deliver(
    std::span<const ClaimedEvent> events
) {
    if (events.empty()) co_return Results{};
    // The worker gets a copy: the caller's coroutine may be destroyed while it works.
    std::vector<ClaimedEvent> batch(events.begin(), events.end());
    const auto initiate =
        [](Handler<Results> handler, Impl* impl, std::vector<ClaimedEvent> copy) {
            auto guard = net::make_work_guard(
                resilience::detail::executor_of(handler, impl->worker.get_executor())
            );
            net::post(
                impl->worker,
                [impl, handler = std::move(handler), copy = std::move(copy), guard](
                ) mutable {
                    auto results = impl->append_noexcept(copy);
                    net::dispatch(
                        guard.get_executor(),
                        [handler = std::move(handler), results = std::move(results)](
                        ) mutable { std::move(handler)(std::move(results)); }
                    );
                }
            );
        };
    auto results =
        co_await net::async_initiate<const net::use_awaitable_t<>, void(Result<Results>)>(
            initiate, net::use_awaitable, impl_.get(), std::move(batch)
        );
    co_return std::move(*results);
}

}  // namespace resilience
