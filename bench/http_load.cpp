// SPDX-License-Identifier: MIT
#include "bench/http_load.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace resilience::bench {
namespace {

constexpr std::string_view good = "HTTP/1.1 200 ";

int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::system_category(), what);
    return result;
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

Descriptor connect_to(std::uint16_t port) {
    Descriptor fd{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(
        ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "connect"
    );
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void ask(const Descriptor& fd, const std::string& request) {
    const auto sent = ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(request.size())) {
        throw std::runtime_error("a request could not be sent");
    }
}

std::string_view take(const Descriptor& fd, std::array<char, 16384>& room) {
    const auto count = ::recv(fd.get(), room.data(), room.size(), 0);
    if (count <= 0) throw std::runtime_error("a connection broke");
    return {room.data(), static_cast<std::size_t>(count)};
}

struct Client {
    Descriptor fd;
    std::size_t missing;
};

// Counts what has come. True: the answer is complete and the next request may leave.
bool is_answered(Client& client, std::string_view part, std::size_t size) {
    if (client.missing == size && !part.starts_with(good)) {
        throw std::runtime_error("not a 200: " + std::string{part.substr(0, 64)});
    }
    if (part.size() > client.missing) throw std::runtime_error("the answer grew");
    client.missing -= part.size();
    if (client.missing > 0) return false;
    client.missing = size;
    return true;
}

}  // namespace

std::size_t size_of_answer(std::uint16_t port, const std::string& request) {
    constexpr std::string_view length_name = "Content-Length: ";
    const Descriptor fd = connect_to(port);
    ask(fd, request);
    std::string answer;
    std::array<char, 16384> room;
    while (answer.find("\r\n\r\n") == std::string::npos) answer += take(fd, room);
    const auto length = answer.find(length_name);
    if (!answer.starts_with(good) || length == std::string::npos) {
        throw std::runtime_error("not a 200 with a length: " + answer);
    }
    return answer.find("\r\n\r\n") + 4 +
           std::stoul(answer.substr(length + length_name.size()));
}

LoadResult run_load(
    std::uint16_t port,
    const std::string& request,
    std::size_t connections,
    std::chrono::milliseconds span
) {
    using Clock = std::chrono::steady_clock;
    const std::size_t size = size_of_answer(port, request);
    const Descriptor poll{checked(::epoll_create1(EPOLL_CLOEXEC), "epoll")};
    std::vector<Client> clients;
    for (std::size_t i = 0; i < connections; ++i) {
        clients.push_back({connect_to(port), size});
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        checked(
            ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, clients[i].fd.get(), &event), "epoll"
        );
    }

    LoadResult result;
    std::array<char, 16384> room;
    std::array<epoll_event, 64> events;
    const auto start = Clock::now();
    for (const auto& client : clients) ask(client.fd, request);
    while (Clock::now() - start < span) {
        const int ready = checked(
            ::epoll_wait(
                poll.get(), events.data(), static_cast<int>(events.size()), 1000
            ),
            "epoll"
        );
        if (ready == 0) throw std::runtime_error("no answer for a second");
        for (int i = 0; i < ready; ++i) {
            auto& client = clients[events[static_cast<std::size_t>(i)].data.u64];
            if (!is_answered(client, take(client.fd, room), size)) continue;
            ++result.answers;
            ask(client.fd, request);
        }
    }
    result.took = Clock::now() - start;
    return result;
}

}  // namespace resilience::bench
