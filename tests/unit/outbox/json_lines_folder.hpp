// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_UNIT_OUTBOX_JSON_LINES_FOLDER_HPP
#define RESILIENCE_TESTS_UNIT_OUTBOX_JSON_LINES_FOLDER_HPP

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <doctest/doctest.h>

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace resilience::json_lines_test {

namespace fs = std::filesystem;
namespace json = boost::json;

/// A directory of one test, removed at the end.
class Folder {
public:
    Folder() {
        std::string name =
            (fs::temp_directory_path() / "resilience-sink-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    fs::path file() const { return path_ / "events.jsonl"; }
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

inline std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline void append(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

inline std::vector<json::object> lines_of(const fs::path& path) {
    std::vector<json::object> lines;
    std::ifstream in(path, std::ios::binary);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(json::parse(line).as_object());
    }
    return lines;
}

inline std::vector<std::int64_t> seqs_of(const fs::path& path) {
    std::vector<std::int64_t> seqs;
    for (const auto& line : lines_of(path)) {
        seqs.push_back(line.at("data").at("seq").as_int64());
    }
    return seqs;
}

}  // namespace resilience::json_lines_test

#endif
