// SPDX-License-Identifier: MIT
#include <e2e/harness/process.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace resilience::e2e {
namespace {

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (auto& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::vector<std::string> lines(const Environment& environment) {
    std::vector<std::string> all;
    for (const char* name : {"PATH", "HOME"}) {
        if (const char* value = std::getenv(name))
            all.push_back(std::string(name) + "=" + value);
    }
    for (const auto& [name, value] : environment) all.push_back(name + "=" + value);
    return all;
}

}  // namespace

Process::Process(
    std::vector<std::string> arguments,
    const Environment& environment,
    std::filesystem::path log
)
    : log_(std::move(log)) {
    auto variables = lines(environment);
    auto argv = pointers(arguments);
    auto envp = pointers(variables);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(
        &actions, 1, log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644
    );
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    const int error =
        posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::runtime_error(arguments[0] + ": " + std::strerror(error));
}

Process::~Process() {
    if (pid_ > 0) kill();
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      exit_(other.exit_),
      log_(std::move(other.log_)) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(exit_, other.exit_);
    std::swap(log_, other.log_);
    return *this;
}

void Process::signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
}

void Process::limit_files(std::uint64_t bytes) const {
    const rlimit limit{bytes, RLIM_INFINITY};
    if (::prlimit(pid_, RLIMIT_FSIZE, &limit, nullptr) != 0) {
        throw std::runtime_error(std::string("prlimit: ") + std::strerror(errno));
    }
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
    eventually([this] { return !running(); }, limit);
    return exit_;
}

void Process::kill() {
    if (!running()) return;
    signal(SIGKILL);
    wait();
}

bool Process::running() {
    if (exit_ || pid_ <= 0) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return true;
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

std::string Process::output() const {
    std::ifstream file(log_);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

bool Process::stopped() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("State:")) return line.find('T') != std::string::npos;
    }
    return false;
}

std::int64_t Process::status_kib(const char* name) const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name)) return std::stoll(line.substr(std::strlen(name)));
    }
    return 0;
}

std::int64_t Process::resident_kib() const { return status_kib("VmRSS:"); }

std::int64_t Process::peak_resident_kib() const { return status_kib("VmHWM:"); }

std::chrono::milliseconds Process::cpu_time() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string text;
    std::getline(file, text);
    // The name in parentheses may hold anything; utime and stime are fields 14 and 15.
    std::istringstream fields{text.substr(text.rfind(')') + 1)};
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    std::int64_t user = 0;
    std::int64_t system = 0;
    fields >> user >> system;
    return std::chrono::milliseconds{(user + system) * 1000 / ::sysconf(_SC_CLK_TCK)};
}

std::string shell(const std::string& command, const Environment& environment) {
    std::string line = R"(env -i PATH="$PATH" HOME="$HOME" )";
    for (const auto& [name, value] : environment) line += name + "='" + value + "' ";
    line += command + " 2>&1";
    FILE* pipe = ::popen(line.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot run: " + command);
    std::string text;
    char buffer[4096];
    std::size_t got = 0;
    while ((got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0)
        text.append(buffer, got);
    const int status = ::pclose(pipe);
    if (status != 0) throw std::runtime_error(command + ": " + text);
    return text;
}

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool ok = ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(fd);
    if (!ok) throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

ScratchFolder::ScratchFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "resilience-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
}

ScratchFolder::~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void pause_between_looks() { std::this_thread::sleep_for(std::chrono::milliseconds{20}); }

}  // namespace resilience::e2e
