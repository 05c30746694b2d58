// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_TOPIC_READER_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_TOPIC_READER_HPP

#include <chaos/exactly_once/checker.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace resilience::e2e {

/// Reads one topic with `read_committed` by librdkafka alone, and nothing of the library
/// under test. Each failure throws.
class TopicReader {
public:
    TopicReader(const std::string& brokers, const std::string& topic);
    ~TopicReader();
    TopicReader(TopicReader&&) noexcept;
    TopicReader& operator=(TopicReader&&) = delete;

    /// Takes what is committed now and was not yet taken. @return How much it was.
    std::size_t read();

    /// Takes what comes until this event, which was not yet taken, is among it.
    /// @return Whether it came.
    bool await(const std::string& id, std::chrono::milliseconds limit);

    /// All that was taken, in the order of the offsets within each partition.
    const std::vector<Delivered>& delivered() const;

    /// Offsets between the last stable one and the high watermark.
    std::int64_t undecided() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace resilience::e2e

#endif
