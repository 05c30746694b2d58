// SPDX-License-Identifier: MIT
#include <resilience/detail/chunk_law.hpp>
#include <resilience/detail/lane_fault.hpp>

#include <doctest/doctest.h>

#include <cstddef>

using namespace resilience;
using namespace resilience::detail;

TEST_CASE("a chunk has as many rows as may be, until it is refused") {
    auto law = ChunkLaw::make(5000);
    CHECK(law.rows == 5000);
    law.on_committed();
    CHECK(law.rows == 5000);
    law.on_refused(900);
    CHECK(law.rows == 450);
    law.on_refused(1);
    CHECK(law.rows == 1);
    law.on_committed();
    CHECK(law.rows == 2);
    for (int i = 0; i < 20; ++i) law.on_committed();
    CHECK(law.rows == 5000);
    CHECK(ChunkLaw::make(1).rows == 1);
}

TEST_CASE("a refused chunk is halved to one event in few steps") {
    auto law = ChunkLaw::make(100'000);
    int steps = 0;
    for (; law.rows > 1; ++steps) law.on_refused(law.rows);
    CHECK(steps == 16);
}

TEST_CASE("I3: a slice ends its window only if it is short in rows and in bytes") {
    CHECK(ends_window(0, 0, 1, 1));
    CHECK(ends_window(1, 100, 2, 4096));
    CHECK_FALSE(ends_window(2, 100, 2, 4096));
    CHECK_FALSE(ends_window(1, 100, 2, 100));
    // What is stored may be larger than its text.
    CHECK_FALSE(ends_window(1, 100, 2, 864));
    CHECK(ends_window(1, 100, 2, 865));
    CHECK_FALSE(ends_window(10, 0, 20, 640));
}

TEST_CASE("a failure fences, resumes, pauses or halts a lane") {
    CHECK(lane_fault(Errc::fenced) == LaneFault::fenced);
    for (const auto e :
         {Errc::aborted,
          Errc::connection_lost,
          Errc::timed_out_in_doubt,
          Errc::cancelled_in_doubt,
          Errc::protocol_error}) {
        CHECK(lane_fault(e) == LaneFault::resume);
    }
    for (const auto e :
         {Errc::unavailable,
          Errc::timed_out,
          Errc::queue_full,
          Errc::serialization_conflict,
          Errc::storage_full,
          Errc::circuit_open,
          Errc::rate_limited,
          Errc::bulkhead_full,
          Errc::shed,
          Errc::cancelled,
          Errc::closed}) {
        CHECK(lane_fault(e) == LaneFault::wait);
    }
    for (const auto e :
         {Errc::history_changed,
          Errc::corrupt_data,
          Errc::access_denied,
          Errc::bad_destination,
          Errc::invalid_request,
          Errc::too_large,
          Errc::not_found,
          Errc::already_exists,
          Errc::internal}) {
        CHECK(lane_fault(e) == LaneFault::halt);
    }
    CHECK(lane_fault(std::make_error_code(std::errc::io_error)) == LaneFault::halt);
}

TEST_CASE("what an event contains is to blame, or where it goes") {
    CHECK(blames_content(fail(Errc::too_large)));
    CHECK(blames_content(fail(Errc::invalid_request)));
    CHECK_FALSE(blames_content(fail(Errc::bad_destination)));
    CHECK_FALSE(blames_content(fail(Errc::access_denied)));
}
