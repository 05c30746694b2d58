// SPDX-License-Identifier: MIT
#include "integration/kafka/private_broker.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>
#include <vector>

namespace resilience::test {
namespace {

// The kernel gives the ports of one call to nobody else while the sockets are open.
std::array<int, 3> free_ports() {
    std::array<int, 3> ports{};
    std::array<int, 3> sockets{};
    for (std::size_t i = 0; i < ports.size(); ++i) {
        sockets[i] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (::bind(sockets[i], reinterpret_cast<sockaddr*>(&address), size) != 0 ||
            ::getsockname(sockets[i], reinterpret_cast<sockaddr*>(&address), &size) !=
                0) {
            throw std::runtime_error("no free port");
        }
        ports[i] = ntohs(address.sin_port);
    }
    for (const int socket : sockets) ::close(socket);
    return ports;
}

pid_t spawn_java(
    const std::filesystem::path& home,
    const std::string& jars,
    const std::vector<std::string>& arguments
) {
    std::vector<std::string> words{
        "java", "-Xmx384m", "-XX:+UseSerialGC", "-cp", jars + "/*"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    const std::string log = (home / "log").string();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("fork");
    if (child > 0) return child;
    // Only calls that are safe between fork and exec.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, STDOUT_FILENO);
    ::dup2(fd, STDERR_FILENO);
    if (::chdir(home.c_str()) == 0) ::execvp(argv[0], argv.data());
    ::_exit(127);
}

}  // namespace

PrivateBroker::PrivateBroker(std::string settings, int advertised_port)
    : settings_(std::move(settings)), advertised_port_(advertised_port) {
    const char* jars = std::getenv("RESILIENCE_TEST_KAFKA_JARS");
    if (!jars || !*jars) {
        throw std::runtime_error(
            "RESILIENCE_TEST_KAFKA_JARS is not set: eval \"$(scripts/services env)\""
        );
    }
    jars_ = jars;
    home_ = std::filesystem::temp_directory_path() / unique_name("kafka");
    std::filesystem::create_directories(home_);
    const auto [port, controller_port, proxied_port] = free_ports();
    proxied_port_ = proxied_port;
    write_settings(port, controller_port);
    cluster_ = Cluster{"127.0.0.1:" + std::to_string(port)};

    const pid_t format = spawn_java(
        home_,
        jars_,
        {"kafka.tools.StorageTool",
         "format",
         "-t",
         "cmVzaWxpZW5jZS10ZXN0cw",
         "-c",
         "server.properties"}
    );
    int status = 0;
    ::waitpid(format, &status, 0);
    if (status != 0) throw std::runtime_error("formatting Kafka's storage failed");
    start();
}

PrivateBroker::~PrivateBroker() {
    kill();
    std::error_code ignored;
    std::filesystem::remove_all(home_, ignored);
}

void PrivateBroker::write_settings(int port, int controller_port) const {
    const std::string address = "127.0.0.1:" + std::to_string(port);
    const std::string controller = "127.0.0.1:" + std::to_string(controller_port);
    const auto proxied = [this](int at) {
        return advertised_port_ == 0 ? "" : ",PROXIED://127.0.0.1:" + std::to_string(at);
    };
    std::ofstream{home_ / "server.properties"}
        << "process.roles=broker,controller\nnode.id=1\n"
        << "controller.quorum.voters=1@" << controller << '\n'
        << "controller.listener.names=CONTROLLER\n"
        << "listeners=PLAINTEXT://" << address << ",CONTROLLER://" << controller
        << proxied(proxied_port_) << '\n'
        << "advertised.listeners=PLAINTEXT://" << address << proxied(advertised_port_)
        << "\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        << "PROXIED:PLAINTEXT\n"
        << "inter.broker.listener.name=PLAINTEXT\nlog.dirs=data\n"
        << "auto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n"
        << "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
        << "transaction.state.log.replication.factor=1\n"
        << "transaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=1\n"
        << settings_;
}

std::string PrivateBroker::log() const {
    std::ifstream file(home_ / "log");
    return {std::istreambuf_iterator<char>{file}, {}};
}

void PrivateBroker::start() {
    process_ = spawn_java(home_, jars_, {"kafka.Kafka", "server.properties"});
    cluster_.await_ready();
}

void PrivateBroker::pause() {
    ::kill(process_, SIGSTOP);
    // Its threads stop one after another.
    siginfo_t stopped{};
    ::waitid(P_PID, static_cast<id_t>(process_), &stopped, WSTOPPED | WEXITED | WNOWAIT);
}

void PrivateBroker::resume() { ::kill(process_, SIGCONT); }

void PrivateBroker::kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
}

}  // namespace resilience::test
