// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_LANE_PARTS_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_LANE_PARTS_HPP

#include <resilience/lane_sink.hpp>
#include <resilience/window_source.hpp>

#include <chaos/exactly_once/failpoint.hpp>

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace resilience::e2e {

/// Whether the lane has committed since its source was last asked.
using Committed = std::shared_ptr<bool>;

/// A source with a failpoint before and after each step, whose gate may stand open.
class FailpointSource final : public WindowSource {
public:
    FailpointSource(
        std::unique_ptr<WindowSource> source, Committed committed, bool gate_is_open
    )
        : source_(std::move(source)),
          committed_(std::move(committed)),
          gate_is_open_(gate_is_open) {}

    net::awaitable<Result<SourceIdentity>> identity() override {
        auto identity = co_await source_->identity();
        co_return identity;
    }
    net::awaitable<Result<Window>> look() override {
        advanced();
        pass("before look");
        auto window = co_await source_->look();
        pass("after look");
        co_return window;
    }
    net::awaitable<Result<void>> gate(Lsn lsn) override {
        pass("before gate");
        if (gate_is_open_) co_return Result<void>{};
        auto passed = co_await source_->gate(lsn);
        pass("after gate");
        co_return passed;
    }
    net::awaitable<Result<std::vector<WindowEvent>>> read(const WindowSlice& slice
    ) override {
        advanced();
        pass("before read");
        auto events = co_await source_->read(slice);
        pass("after read");
        co_return events;
    }

private:
    void advanced() {
        if (std::exchange(*committed_, false)) pass("after advance");
    }

    std::unique_ptr<WindowSource> source_;
    Committed committed_;
    bool gate_is_open_;
};

/// A sink with a failpoint where it is asked and where it has answered.
class FailpointSink final : public LaneSink {
public:
    FailpointSink(std::unique_ptr<LaneSink> sink, Committed committed)
        : sink_(std::move(sink)), committed_(std::move(committed)) {}

    net::awaitable<Result<std::optional<LanePosition>>> take_over() override {
        pass("before take-over");
        auto position = co_await sink_->take_over();
        pass("after take-over");
        co_return position;
    }
    net::awaitable<Result<void>> commit(
        std::span<const WindowEvent> events, const LanePosition& next
    ) override {
        auto done = co_await sink_->commit(events, next);
        if (done) {
            pass("before advance");
            *committed_ = true;
        }
        co_return done;
    }
    std::vector<LaneRefusal> refusals() const override { return sink_->refusals(); }
    TimePoint ready_at() const override { return sink_->ready_at(); }
    std::uint64_t put_offs() const override { return sink_->put_offs(); }

private:
    std::unique_ptr<LaneSink> sink_;
    Committed committed_;
};

}  // namespace resilience::e2e

#endif
