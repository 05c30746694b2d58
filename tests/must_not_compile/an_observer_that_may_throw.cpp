// SPDX-License-Identifier: MIT
// expect: must be noexcept: policies call it where nothing
#include <resilience/observer.hpp>

struct Event {};

struct Observer {
#ifdef CORRECT
    void on(const Event&) noexcept {}
#else
    void on(const Event&) {}
#endif
};

int main() {
    Observer observer;
    resilience::detail::notify(observer, Event{});
}
