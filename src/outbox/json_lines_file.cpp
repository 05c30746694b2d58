// SPDX-License-Identifier: MIT
#include "json_lines_file.hpp"

#include <resilience/clock.hpp>
#include <resilience/retry_policy.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace resilience::detail {
namespace {

constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t write_bytes = 1024 * 1024;
// An id has at most 255 bytes, each of which JSON may write as six.
constexpr std::size_t head_bytes = 2048;
// A lock on a file knows no deadline, so it is asked for with growing waits.
constexpr RetryPolicy lock_waits{{
    .base = std::chrono::milliseconds{1},
    .factor = 2.0,
    .cap = std::chrono::milliseconds{50},
    .jitter = Jitter::none,
}};
constexpr std::string_view line_start = R"({"specversion":"1.0","id":")";

Failure system_failure(const std::filesystem::path& path, const char* action, int error) {
    return fail(
        Errc::storage_full,
        path.string() + ": " + action + ": " + std::generic_category().message(error)
    );
}

template <class Call>
auto retry_interrupted(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

std::string_view json_line_id(std::string_view line) {
    if (!line.starts_with(line_start)) return {};
    line.remove_prefix(line_start.size());
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"') return line.substr(0, i);
        if (line[i] == '\\') ++i;
    }
    return {};
}

// Gives the lock back; what another process does after that is caught up with later.
class JsonLinesFile::Lock {
public:
    explicit Lock(const Descriptor& file) noexcept : file_(file) {}
    ~Lock() { ::flock(file_.get(), LOCK_UN); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    const Descriptor& file_;
};

JsonLinesFile::JsonLinesFile(
    std::filesystem::path path,
    std::size_t remembered_ids,
    std::chrono::milliseconds lock_timeout
)
    : path_(std::move(path)),
      remembered_ids_(remembered_ids),
      lock_timeout_(lock_timeout),
      chunk_(chunk_bytes, '\0') {}

void JsonLinesFile::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    wake_.notify_all();
}

Result<void> JsonLinesFile::append(std::span<const std::string> lines) {
    if (auto locked = lock_current(); !locked) return locked;
    const Lock lock(file_);
    if (auto done = catch_up(); !done) return done;
    if (auto done = write(lines); !done) {
        // Nothing of the batch may stay. Should even this fail, the next append removes
        // a torn line and knows the whole ones by their ids.
        (void)retry_interrupted([&] { return ::ftruncate(file_.get(), scanned_); });
        return done;
    }
    for (const auto& line : lines) remember(json_line_id(line));
    return {};
}

Result<void> JsonLinesFile::open() {
    const auto failed = [this](const char* action) {
        return system_failure(path_, action, errno);
    };
    Descriptor file{retry_interrupted([&] {
        return ::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    })};
    if (!file) return failed("open");
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) return failed("stat");
    if (!S_ISREG(status.st_mode)) {
        return fail(Errc::storage_full, path_.string() + ": is not a regular file");
    }
    // The name of a file that was just made must survive a crash of the system too.
    const auto parent =
        path_.has_parent_path() ? path_.parent_path() : std::filesystem::path{"."};
    const Descriptor directory{
        ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory || ::fsync(directory.get()) != 0) return failed("sync of directory");
    file_ = std::move(file);
    scanned_ = -1;
    return {};
}

// Holds the lock of the file that has the name now: it may have been replaced.
Result<void> JsonLinesFile::lock_current() {
    for (int turn = 0; turn < 8; ++turn) {
        if (!file_) {
            if (auto opened = open(); !opened) return opened;
        }
        if (auto locked = wait_for_lock(); !locked) return locked;
        struct stat ours {};
        struct stat named {};
        if (::fstat(file_.get(), &ours) == 0 && ::stat(path_.c_str(), &named) == 0 &&
            ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) {
            return {};
        }
        file_ = Descriptor{};
    }
    return fail(Errc::storage_full, path_.string() + ": is replaced again and again");
}

Result<void> JsonLinesFile::wait_for_lock() {
    const auto deadline = Clock::now() + lock_timeout_;
    for (std::uint32_t refusals = 0;;) {
        if (::flock(file_.get(), LOCK_EX | LOCK_NB) == 0) return {};
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return system_failure(path_, "lock", errno);
        const auto wait = lock_waits.delay(++refusals, 0);
        std::unique_lock lock(mutex_);
        if (wake_.wait_for(lock, wait, [this] { return stopped_; })) {
            return fail(Errc::cancelled, path_.string() + ": the sink was destroyed");
        }
        if (Clock::now() >= deadline) {
            return fail(
                Errc::timed_out, path_.string() + ": another process holds the lock"
            );
        }
    }
}

Result<void> JsonLinesFile::catch_up() {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return system_failure(path_, "stat", errno);
    if (scanned_ > status.st_size) scanned_ = -1;
    if (scanned_ < 0) {
        auto start = start_of_tail(status.st_size);
        if (!start) return start.error();
        scanned_ = *start;
    }
    if (auto done = scan(status.st_size); !done) return done;
    if (scanned_ == status.st_size) return {};
    if (retry_interrupted([&] { return ::ftruncate(file_.get(), scanned_); }) != 0) {
        return system_failure(path_, "removal of a torn line", errno);
    }
    return {};
}

// Where the last `remembered_ids` lines begin; lines before them need not be read.
Result<off_t> JsonLinesFile::start_of_tail(off_t size) {
    std::size_t breaks = 0;
    for (off_t end = size; end > 0;) {
        const auto want = std::min<off_t>(end, static_cast<off_t>(chunk_.size()));
        const auto got = retry_interrupted([&] {
            return ::pread(
                file_.get(), chunk_.data(), static_cast<std::size_t>(want), end - want
            );
        });
        if (got != want) return system_failure(path_, "read", got < 0 ? errno : EIO);
        for (auto i = want; i-- > 0;) {
            if (chunk_[static_cast<std::size_t>(i)] != '\n') continue;
            if (++breaks > remembered_ids_) return end - want + i + 1;
        }
        end -= want;
    }
    return off_t{0};
}

// Reads the ids of the whole lines up to `size`. Of a line only its head is kept.
Result<void> JsonLinesFile::scan(off_t size) {
    std::string head;
    for (off_t at = scanned_; at < size;) {
        const auto want = std::min<off_t>(size - at, static_cast<off_t>(chunk_.size()));
        const auto got = retry_interrupted([&] {
            return ::pread(
                file_.get(), chunk_.data(), static_cast<std::size_t>(want), at
            );
        });
        if (got <= 0) return system_failure(path_, "read", got < 0 ? errno : EIO);
        std::string_view rest{chunk_.data(), static_cast<std::size_t>(got)};
        while (!rest.empty()) {
            const auto end = std::min(rest.find('\n'), rest.size());
            head += rest.substr(0, std::min(end, head_bytes - head.size()));
            const auto used = std::min(end + 1, rest.size());
            at += static_cast<off_t>(used);
            if (end < rest.size()) {
                remember(json_line_id(head));
                head.clear();
                scanned_ = at;
            }
            rest.remove_prefix(used);
        }
    }
    return {};
}

Result<void> JsonLinesFile::write(std::span<const std::string> lines) {
    std::string bytes;
    std::unordered_set<std::string_view> in_batch;
    off_t written = 0;
    const auto flush = [&]() -> Result<void> {
        auto done = write_all(bytes);
        written += static_cast<off_t>(bytes.size());
        bytes.clear();
        return done;
    };
    for (const auto& line : lines) {
        const auto id = json_line_id(line);
        if (known_.contains(std::string{id}) || !in_batch.insert(id).second) continue;
        bytes += line;
        if (bytes.size() < write_bytes) continue;
        if (auto done = flush(); !done) return done;
    }
    if (auto done = flush(); !done) return done;
    // Also when every line was there: whoever wrote them may have died before its sync.
    if (retry_interrupted([&] { return ::fdatasync(file_.get()); }) != 0) {
        return system_failure(path_, "sync", errno);
    }
    scanned_ += written;
    return {};
}

Result<void> JsonLinesFile::write_all(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = retry_interrupted([&] {
            return ::write(file_.get(), bytes.data(), bytes.size());
        });
        if (written <= 0)
            return system_failure(path_, "write", written < 0 ? errno : EIO);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

void JsonLinesFile::remember(std::string_view id) {
    if (id.empty()) return;
    const auto [place, added] = known_.emplace(id);
    if (!added) return;
    age_.push_back(&*place);
    if (age_.size() <= remembered_ids_) return;
    known_.erase(known_.find(*age_.front()));
    age_.pop_front();
}

}  // namespace resilience::detail
