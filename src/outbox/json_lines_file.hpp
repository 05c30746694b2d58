// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_OUTBOX_JSON_LINES_FILE_HPP
#define RESILIENCE_OUTBOX_JSON_LINES_FILE_HPP

#include <resilience/asio/result.hpp>

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace resilience::detail {

/// A file descriptor that closes itself.
class Descriptor {
public:
    Descriptor() noexcept = default;
    explicit Descriptor(int fd) noexcept : fd_(fd) {}
    ~Descriptor();
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

/** A file of lines that are written once each, shared by processes. Blocks.

    A line is known by the `id` at its start, where `cloud_event_json` puts it.

    @par Thread safety
    `stop`: safe. Others: unsafe.
*/
class JsonLinesFile {
public:
    JsonLinesFile(
        std::filesystem::path path,
        std::size_t remembered_ids,
        std::chrono::milliseconds lock_timeout
    );

    /// Appends the lines whose id is not among the last ones of the file, all or none,
    /// and syncs. Each line ends with a line break.
    Result<void> append(std::span<const std::string> lines);

    /// Ends a wait for the lock, now and in later calls.
    void stop();

private:
    class Lock;

    Result<void> open();
    Result<void> lock_current();
    Result<void> wait_for_lock();
    Result<void> catch_up();
    Result<void> scan(off_t size);
    Result<off_t> start_of_tail(off_t size);
    Result<void> write(std::span<const std::string> lines);
    Result<void> write_all(std::string_view bytes);
    void remember(std::string_view id);

    std::filesystem::path path_;
    std::size_t remembered_ids_;
    std::chrono::milliseconds lock_timeout_;

    Descriptor file_;
    // End of the last whole line that was read or written; -1: nothing was read yet.
    off_t scanned_ = -1;
    std::string chunk_;
    std::unordered_set<std::string> known_;
    std::deque<const std::string*> age_;

    std::mutex mutex_;
    std::condition_variable wake_;
    bool stopped_ = false;
};

/// The id of a line as the JSON text between its quotes; empty when it has none at its
/// start.
std::string_view json_line_id(std::string_view line);

}  // namespace resilience::detail

#endif
