// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_HARNESS_PROCESS_HPP
#define RESILIENCE_TESTS_E2E_HARNESS_PROCESS_HPP

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace resilience::e2e {

using Environment = std::map<std::string, std::string>;

/// A program started by a test. Killed and reaped when it goes out of scope.
class Process {
public:
    /// Starts `arguments[0]`. Its environment is PATH, HOME and `environment` alone, so
    /// that no variable of the developer's shell reaches it; its output goes to `log`.
    Process(
        std::vector<std::string> arguments,
        const Environment& environment,
        std::filesystem::path log
    );
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;

    void signal(int number) const;

    /// Lets no file of the program grow beyond this number of bytes, as a full disk
    /// would.
    void limit_files(std::uint64_t bytes) const;

    /// Waits for the end; the exit code, or 128 and the signal's number. Empty: still
    /// running.
    std::optional<int> wait(std::chrono::milliseconds limit = std::chrono::seconds{40});

    /// SIGKILL, then waits.
    void kill();

    bool running();
    /// Whether SIGSTOP holds it.
    bool stopped() const;
    std::string output() const;
    /// Resident memory in KiB, now and at most so far.
    std::int64_t resident_kib() const;
    std::int64_t peak_resident_kib() const;
    /// Time that a core worked for it, in user and in kernel mode.
    std::chrono::milliseconds cpu_time() const;

private:
    std::int64_t status_kib(const char* name) const;

    pid_t pid_ = -1;
    std::optional<int> exit_;
    std::filesystem::path log_;
};

/// Runs a program by the shell, with the environment of @ref Process.
/// @throws std::runtime_error It exits with another code than 0; the text holds its
/// output.
std::string shell(const std::string& command, const Environment& environment = {});

/// A TCP port of 127.0.0.1 on which nothing listened a moment ago.
int free_port();

/// A folder that is removed with its content when it goes out of scope.
class ScratchFolder {
public:
    ScratchFolder();
    ~ScratchFolder();
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// Calls `condition` every 20 ms until it holds. @return Whether it did before `limit`.
template <class Condition>
bool eventually(
    Condition condition, std::chrono::milliseconds limit = std::chrono::seconds{30}
);

void pause_between_looks();

template <class Condition>
bool eventually(Condition condition, std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        if (condition()) return true;
        if (std::chrono::steady_clock::now() > end) return false;
        pause_between_looks();
    }
}

}  // namespace resilience::e2e

#endif
