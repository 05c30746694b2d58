// SPDX-License-Identifier: MIT
#include <chaos/exactly_once/small_disk.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace resilience::e2e {
namespace {

void check(int result, const std::string& what) {
    if (result == 0) return;
    throw std::runtime_error(
        what + ": " + std::strerror(errno) +
        "; a disk that becomes full needs the right to mount (root, CAP_SYS_ADMIN)"
    );
}

}  // namespace

SmallDisk::SmallDisk(std::size_t mebibytes) {
    check(::unshare(CLONE_NEWNS), "unshare");
    check(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount /");
    std::filesystem::create_directory(path());
    // A server may run as somebody else.
    check(::chmod(folder_.path().c_str(), 0711), "chmod");
    const auto options = "mode=0777,size=" + std::to_string(mebibytes) + 'm';
    check(::mount("tmpfs", path().c_str(), "tmpfs", 0, options.c_str()), "mount");
}

SmallDisk::~SmallDisk() { ::umount2(path().c_str(), MNT_DETACH); }

void SmallDisk::fill() const {
    const auto name = path() / "filler";
    const int file =
        ::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    for (std::size_t size = 1 << 20; size >= 1 << 10; size /= 4) {
        const std::vector<char> some(size);
        while (::write(file, some.data(), size) > 0) {
        }
    }
    ::close(file);
}

void SmallDisk::clear() const { std::filesystem::remove(path() / "filler"); }

}  // namespace resilience::e2e
