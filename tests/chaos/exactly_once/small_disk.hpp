// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_SMALL_DISK_HPP
#define RESILIENCE_TESTS_CHAOS_EXACTLY_ONCE_SMALL_DISK_HPP

#include <e2e/harness/process.hpp>

#include <cstddef>
#include <filesystem>

namespace resilience::e2e {

/** A file system of its own, in memory, which can be filled up.

    Needs the right to mount. It is mounted where this process and those that it starts
    afterwards from the same thread see it, and nobody else; it is gone with them.
*/
class SmallDisk {
public:
    /// @throws std::runtime_error It cannot be mounted; the text says what is needed.
    explicit SmallDisk(std::size_t mebibytes);
    ~SmallDisk();
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;

    /// Where it is; anybody may write there.
    std::filesystem::path path() const { return folder_.path() / "disk"; }

    /// Takes what is left of it.
    void fill() const;
    /// Gives back what was taken.
    void clear() const;

private:
    ScratchFolder folder_;
};

}  // namespace resilience::e2e

#endif
