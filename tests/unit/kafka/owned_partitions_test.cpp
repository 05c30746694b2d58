// SPDX-License-Identifier: MIT
#include "kafka/owned_partitions.hpp"

#include <doctest/doctest.h>

using namespace resilience::kafka;
using detail::OwnedPartitions;
using Claim = OwnedPartitions::Claim;

namespace {

const TopicPartition here{"t", 0};
const TopicPartition there{"t", 1};

}  // namespace

TEST_CASE("An offset is committed behind records that were handed out, and only once") {
    OwnedPartitions owned;
    CHECK(owned.claim({here, 0}) == Claim::refused);
    owned.add(here);
    CHECK(owned.claim({here, 0}) == Claim::refused);
    owned.handed_out(here, 5);
    owned.handed_out(here, 9);
    CHECK(owned.claim({here, 11}) == Claim::refused);
    CHECK(owned.claim({there, 10}) == Claim::refused);
    // The group had come to the first of them already.
    CHECK(owned.claim({here, 5}) == Claim::done);
    CHECK(owned.claim({here, 6}) == Claim::due);
    CHECK(owned.claim({here, 10}) == Claim::due);
    owned.committed({here, 8});
    CHECK(owned.claim({here, 8}) == Claim::done);
    CHECK(owned.claim({here, 9}) == Claim::due);
    owned.committed({here, 7});
    CHECK(owned.claim({here, 8}) == Claim::done);
}

TEST_CASE("A partition that comes back knows nothing of what was handed out before") {
    OwnedPartitions owned;
    owned.add(here);
    owned.handed_out(here, 5);
    owned.remove(here);
    CHECK_FALSE(owned.owns(here));
    CHECK(owned.claim({here, 6}) == Claim::refused);
    owned.committed({here, 6});
    CHECK(owned.size() == 0);
    owned.add(here);
    CHECK(owned.claim({here, 6}) == Claim::refused);
    owned.handed_out(here, 8);
    // What another member did meanwhile is not taken back.
    CHECK(owned.claim({here, 6}) == Claim::done);
    owned.add(here);
    CHECK(owned.claim({here, 9}) == Claim::refused);
}

TEST_CASE("To begin again is to go back where it was committed") {
    OwnedPartitions owned;
    owned.add(here);
    owned.add(there);
    CHECK(owned.uncommitted().empty());
    owned.handed_out(here, 5);
    owned.handed_out(here, 6);
    owned.handed_out(there, 3);
    owned.committed({there, 4});
    CHECK(owned.uncommitted() == std::vector<NextOffset>{{here, 5}});
    owned.committed({here, 6});
    CHECK(owned.uncommitted() == std::vector<NextOffset>{{here, 6}});
    owned.rewound(here);
    CHECK(owned.uncommitted().empty());
    // It was done before, and is to be done again.
    CHECK(owned.claim({here, 7}) == Claim::refused);
    owned.handed_out(here, 6);
    CHECK(owned.claim({here, 7}) == Claim::due);
    owned.rewound({"other", 0});
}

TEST_CASE("Behind a batch each partition goes on after its last record") {
    CHECK(offsets_after({}).empty());
    const std::vector<Record> records{
        {.topic = "t", .partition = 1, .offset = 3},
        {.topic = "t", .partition = 0, .offset = 8},
        {.topic = "s", .partition = 1, .offset = 0},
        {.topic = "t", .partition = 1, .offset = 7}};
    CHECK(
        offsets_after(records) ==
        std::vector<NextOffset>{{{"s", 1}, 1}, {{"t", 0}, 9}, {{"t", 1}, 8}}
    );
}
