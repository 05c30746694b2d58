// SPDX-License-Identifier: MIT
// expect: a stage of a pipeline must be a Guard, a rate limiter or a policy of this
// library
#include <resilience/asio/pipeline.hpp>

using namespace resilience;

struct Gate {
    static constexpr PipelineStage pipeline_stage = PipelineStage::breaker;
#ifdef CORRECT
    static constexpr Errc refusal = Errc::shed;
#endif

    struct Permit {
        explicit operator bool() const { return true; }
        std::chrono::nanoseconds retry_after() const { return {}; }
        void done(Verdict, TimePoint) && {}
    };

    Permit try_acquire(TimePoint) { return {}; }
};

int main() {
    Pipeline pipeline{Gate{}};
    const auto one = [](CallContext&) -> net::awaitable<int> { co_return 1; };
    auto running = co_run(pipeline, one);
}
