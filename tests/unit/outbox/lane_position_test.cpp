// SPDX-License-Identifier: MIT
#include <resilience/lane_position.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace resilience;

namespace {

LanePosition some_position() {
    return {
        .source =
            {.system_id = 7'300'000'000'000'000'001u,
             .timeline = 3,
             .database = 16'384,
             .table = 4'000'000'000u},
        .seen = "740:745:740,742",
        .window = "745:751:",
        .last_seq = 123'456,
        .batch_seq = 12,
        .lane_seq = 3'456,
        .map_version = 2};
}

// Every field differs from some_position() in one of them.
std::vector<LanePosition> all_but_one_equal() {
    std::vector<LanePosition> list(10, some_position());
    ++list[0].source.system_id;
    ++list[1].source.timeline;
    ++list[2].source.database;
    ++list[3].source.table;
    list[4].seen += "0";
    list[5].window += "0";
    ++list[6].last_seq;
    ++list[7].batch_seq;
    ++list[8].lane_seq;
    ++list[9].map_version;
    return list;
}

LanePosition with_parked_keys() {
    auto position = some_position();
    position.parked = {{"orders", "k\"1", 3'000, 2}, {"t", "", 3'456, 1}};
    return position;
}

// The text with `from` replaced by `to`, which must be there.
std::string with(std::string text, std::string_view from, std::string_view to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

std::string detail_of(std::string_view text) {
    const auto decoded = decode_lane_position(text);
    REQUIRE_FALSE(decoded.has_value());
    CHECK(decoded.error() == Errc::corrupt_data);
    return decoded.error().detail;
}

}  // namespace

TEST_CASE("I1: a position is read back as it was written, in every field") {
    CHECK(decode_lane_position(encode(LanePosition{})).value() == LanePosition{});
    CHECK(decode_lane_position(encode(some_position())).value() == some_position());
    for (const auto& position : all_but_one_equal()) {
        CHECK(position != some_position());
        CHECK(encode(position) != encode(some_position()));
        CHECK(decode_lane_position(encode(position)).value() == position);
    }
}

TEST_CASE("I1: the form of version 1 does not change") {
    CHECK(
        encode(some_position()) ==
        R"({"v":1,"system_id":7300000000000000001,"timeline":3,"database":16384,)"
        R"("table":4000000000,"seen":"740:745:740,742","window":"745:751:",)"
        R"("last_seq":123456,"batch_seq":12,"lane_seq":3456,"map_version":2,)"
        R"("crc":2906497747})"
    );
}

TEST_CASE("I1: a position with keys that are parked is read back, in every field") {
    const auto parked = with_parked_keys();
    CHECK(decode_lane_position(encode(parked)).value() == parked);
    std::vector<LanePosition> others(6, parked);
    others[0].parked[0].topic += "0";
    others[1].parked[0].key += "0";
    ++others[2].parked[0].since;
    ++others[3].parked[1].events;
    others[4].parked.pop_back();
    std::swap(others[5].parked[0], others[5].parked[1]);
    for (const auto& other : others) {
        CHECK(other != parked);
        CHECK(encode(other) != encode(parked));
        CHECK(decode_lane_position(encode(other)).value() == other);
    }
}

TEST_CASE("I1: the form of version 2 does not change") {
    const auto text = encode(with_parked_keys());
    CHECK(
        text.substr(text.find("\"map_version\"")) ==
        R"("map_version":2,"parked":[{"topic":"orders","key":"k\"1","since":3000,)"
        R"("events":2},{"topic":"t","key":"","since":3456,"events":1}],"crc":4293276608})"
    );
    CHECK(text.starts_with(R"({"v":2,)"));
}

TEST_CASE("I11: a version that does not go with what is parked is refused") {
    const auto parked = encode(with_parked_keys());
    (void)detail_of(with(parked, "\"v\":2", "\"v\":1"));
    CHECK(
        detail_of(with(encode(some_position()), "\"v\":1", "\"v\":2")) ==
        "lane position: parked: is missing or not a list"
    );
    for (const char* const list : {"[]", "[1]", "{}", "null", "[{}]", "[[]]"}) {
        const auto from = parked.find("[{");
        auto text = parked;
        text.replace(from, parked.find(']') + 1 - from, list);
        CHECK(detail_of(text).find("parked: ") != std::string::npos);
    }
    CHECK(
        detail_of(with(parked, "\"since\":3000", "\"since\":-1")) ==
        "lane position: parked: since: is missing or not such a number"
    );
}

TEST_CASE("I1: the largest and smallest numbers and odd texts are kept") {
    constexpr auto u64 = std::numeric_limits<std::uint64_t>::max();
    constexpr auto u32 = std::numeric_limits<std::uint32_t>::max();
    LanePosition position{
        .source = {u64, u32, u32, u32},
        .seen = "\"\\\n\x7f\xc3\xa9 {}",
        .window = std::string("a\0b", 3),
        .last_seq = std::numeric_limits<std::int64_t>::max(),
        .batch_seq = u64,
        .lane_seq = u64,
        .map_version = u32};
    CHECK(decode_lane_position(encode(position)).value() == position);
    position.last_seq = std::numeric_limits<std::int64_t>::min();
    CHECK(decode_lane_position(encode(position)).value() == position);
    position.seen = "1:20000:";
    for (int xid = 1; xid < 5000; ++xid) position.seen += std::to_string(xid) + ",";
    CHECK(decode_lane_position(encode(position)).value() == position);
}

TEST_CASE("I1: a position that lost its end, or its beginning, is refused") {
    const auto text = encode(with_parked_keys());
    for (std::size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        CHECK_FALSE(detail_of(text.substr(0, size)).empty());
        CHECK_FALSE(detail_of(text.substr(text.size() - size)).empty());
    }
}

TEST_CASE("I1: a position with any byte changed is refused") {
    const auto text = encode(with_parked_keys());
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (int value = 0; value < 256; ++value) {
            auto changed = text;
            changed[at] = static_cast<char>(value);
            if (changed == text) continue;
            if (decode_lane_position(changed).has_value()) FAIL_CHECK(changed);
        }
    }
}

TEST_CASE("I1: a position with a byte more, or two swapped, is refused") {
    const auto text = encode(some_position());
    for (std::size_t at = 0; at <= text.size(); ++at) {
        for (const char byte : {' ', '0', '\n', '\0', ',', '}'}) {
            auto longer = text;
            longer.insert(at, 1, byte);
            if (decode_lane_position(longer).has_value()) FAIL_CHECK(longer);
        }
    }
    for (std::size_t at = 1; at < text.size(); ++at) {
        auto swapped = text;
        std::swap(swapped[at - 1], swapped[at]);
        if (swapped == text) continue;
        if (decode_lane_position(swapped).has_value()) FAIL_CHECK(swapped);
    }
}

TEST_CASE("I11: a position of a version that is not known is refused by its number") {
    const auto text = encode(some_position());
    CHECK(
        detail_of(with(text, "\"v\":1", "\"v\":3")) ==
        "lane position: its version 3 is not known, only 1 and 2 are"
    );
    CHECK(detail_of(with(text, "\"v\":1,", "")).find("v: ") != std::string::npos);
    CHECK(detail_of(R"({"v":3,"other":null})").find("version 3") != std::string::npos);
}

TEST_CASE("I11: what is wrong with a position is said") {
    const auto text = encode(some_position());
    CHECK(detail_of("") == "lane position: it is not a JSON object of few levels");
    CHECK(detail_of("[]").find("not a JSON object") != std::string::npos);
    CHECK(
        detail_of(with(text, "\"seen\"", "\"sene\"")) ==
        "lane position: seen: is missing or not a text"
    );
    CHECK(
        detail_of(with(text, "\"timeline\":3", "\"timeline\":4294967296")) ==
        "lane position: timeline: is missing or not such a number"
    );
    CHECK(
        detail_of(with(text, "\"lane_seq\":3456", "\"lane_seq\":3457")) ==
        "lane position: its checksum does not match"
    );
    CHECK(
        detail_of(std::string(longest_lane_position + 1, ' ')) ==
        "lane position: it is too long"
    );
}

TEST_CASE("I11: numbers out of their range are refused, not cut") {
    const auto text = encode(some_position());
    for (const auto* const number :
         {"-1", "1.5", "1e400", "18446744073709551616", "\"3\"", "null", "true", "[]"}) {
        CAPTURE(number);
        (void)detail_of(with(text, ":7300000000000000001", std::string{":"} + number));
        (void)detail_of(with(text, ":4000000000", std::string{":"} + number));
        (void)detail_of(with(text, ":123456", std::string{":"} + number));
    }
}

TEST_CASE("I11: no text makes the reader throw") {
    (void)detail_of(std::string(longest_lane_position, '['));
    (void)detail_of(std::string(longest_lane_position, '{'));
    (void)detail_of("\"\xff\xfe\"");
    (void)detail_of(R"({"v":1,"v":1})");
    std::mt19937 random{20'231};
    const auto text = encode(some_position());
    for (int i = 0; i < 20'000; ++i) {
        std::string hostile;
        if (i % 2 == 0) {
            hostile.resize(random() % 300);
            for (auto& c : hostile) c = static_cast<char>(random());
        } else {
            hostile = text;
            for (unsigned changes = 1 + random() % 8; changes > 0; --changes) {
                hostile[random() % hostile.size()] =
                    "{}[]:,\"\\019e-. \xff"[random() % 17];
            }
            if (hostile == text) continue;
        }
        if (decode_lane_position(hostile).has_value()) FAIL_CHECK(hostile);
    }
}
