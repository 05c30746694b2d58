// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/private_postgres.hpp>

#include <chaos/exactly_once/session.hpp>
#include <chaos/exactly_once/world.hpp>

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace resilience::e2e {
namespace {

namespace fs = std::filesystem;

// The newest of Debian's versions, or whatever the system has.
std::string find_programs() {
    for (const char* folder : {"/usr/lib/postgresql", "/usr"}) {
        std::vector<fs::path> found;
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(folder, ignored)) {
            const auto programs = entry.path() / "bin";
            if (fs::exists(programs / "pg_basebackup")) found.push_back(programs);
        }
        if (!found.empty()) return std::ranges::max(found).string();
    }
    throw std::runtime_error("PostgreSQL's programs are missing");
}

pid_t parent_of(pid_t process) {
    std::ifstream file("/proc/" + std::to_string(process) + "/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("PPid:")) return std::stoi(line.substr(5));
    }
    return -1;
}

std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        const pid_t process = std::stoi(name);
        if (parent_of(process) == parent) children.push_back(process);
    }
    return children;
}

}  // namespace

PrivatePostgres::PrivatePostgres(std::vector<std::string> settings, const fs::path& disk)
    : settings_(std::move(settings)) {
    choose_folder();
    if (!disk.empty()) {
        give_to_user(disk);
        fs::create_directory_symlink(disk, data());
    }
    run("initdb -D " + data() + " -U postgres -A trust -E UTF8 --locale=C.UTF-8" +
        " --no-sync" + (disk.empty() ? "" : " --wal-segsize=1"));
    start();
}

PrivatePostgres::PrivatePostgres(Copy, const PrivatePostgres& primary)
    : settings_(primary.settings_) {
    choose_folder();
    run("pg_basebackup -D " + data() + " -h 127.0.0.1 -U postgres -p " +
        std::to_string(primary.port_) + " -X stream -R -c fast --no-sync");
    start();
}

PrivatePostgres PrivatePostgres::standby_of(const PrivatePostgres& primary) {
    return {Copy{}, primary};
}

PrivatePostgres::~PrivatePostgres() {
    if (!home_ || !server_ || !server_->running()) return;
    // At once, but its shared memory is given back.
    server_->signal(SIGQUIT);
    server_->wait();
}

void PrivatePostgres::choose_folder() {
    programs_ = find_programs();
    home_.emplace();
    port_ = lasting_port();
    if (::geteuid() != 0) return;
    user_ = ::getpwnam("postgres") != nullptr ? "postgres" : "nobody";
    give_to_user(home_->path());
}

void PrivatePostgres::give_to_user(const fs::path& folder) const {
    if (user_.empty()) return;
    const auto* account = ::getpwnam(user_.c_str());
    if (::chown(folder.c_str(), account->pw_uid, account->pw_gid) != 0) {
        throw std::runtime_error("chown " + folder.string());
    }
}

std::vector<std::string> PrivatePostgres::as_user(std::vector<std::string> command
) const {
    std::vector<std::string> words{"/usr/bin/setpriv", "--pdeathsig", "KILL"};
    if (!user_.empty()) {
        const auto* account = ::getpwnam(user_.c_str());
        words.push_back("--reuid=" + user_);
        words.push_back("--regid=" + std::to_string(account->pw_gid));
        words.push_back("--init-groups");
    }
    words.insert(words.end(), command.begin(), command.end());
    return words;
}

// From a folder that the user may enter.
std::string PrivatePostgres::run(const std::string& command) const {
    std::string line;
    for (const auto& word : as_user({})) line += word + ' ';
    return shell(
        "sh -c 'cd " + home_->path().string() + " && exec " + line + programs_ + '/' +
        command + '\''
    );
}

Environment PrivatePostgres::environment() const {
    return {
        {"DB_HOST", "127.0.0.1"},
        {"DB_PORT", std::to_string(port_)},
        {"DB_USER", "postgres"},
        {"DB_PASSWORD", "postgres"},
        {"DB_NAME", "postgres"}};
}

void PrivatePostgres::start() {
    std::vector<std::string> command{programs_ + "/postgres", "-D", data()};
    std::vector<std::string> settings{
        "port=" + std::to_string(port_),
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=" + home_->path().string(),
        "max_connections=100",
        "max_prepared_transactions=20",
        "wal_level=replica"};
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    for (const auto& setting : settings) {
        command.push_back("-c");
        command.push_back(setting);
    }
    fs::remove(fs::path(data()) / "postmaster.pid");
    server_.emplace(as_user(command), Environment{}, home_->path() / "log");
    const bool answers = eventually([this] {
        try {
            Session(conninfo_of(environment()));
            return true;
        } catch (const SessionError&) {
            return !server_->running();
        }
    });
    if (!answers || !server_->running()) {
        throw std::runtime_error("PostgreSQL did not start:\n" + server_->output());
    }
}

// The children first stand still, so that none of them writes what it has in memory when
// it sees the first one end.
void PrivatePostgres::kill() {
    std::ifstream file(fs::path(data()) / "postmaster.pid");
    pid_t postmaster = 0;
    file >> postmaster;
    if (postmaster <= 0 || !server_->running()) return;
    ::kill(postmaster, SIGSTOP);
    const auto children = children_of(postmaster);
    for (const auto child : children) ::kill(child, SIGSTOP);
    for (const auto child : children) ::kill(child, SIGKILL);
    server_->kill();
    eventually([&] {
        return std::ranges::none_of(children, [](pid_t child) {
            return fs::exists("/proc/" + std::to_string(child));
        });
    });
}

void PrivatePostgres::stop() {
    server_->signal(SIGINT);
    server_->wait();
}

void PrivatePostgres::promote() {
    Session(conninfo_of(environment())).run("SELECT pg_promote(true, 60)");
}

}  // namespace resilience::e2e
