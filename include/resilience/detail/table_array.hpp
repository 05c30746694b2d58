// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_TABLE_ARRAY_HPP
#define RESILIENCE_DETAIL_TABLE_ARRAY_HPP

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <memory_resource>
#include <new>

namespace resilience::detail {

/// An array of a size that is known when it is made, in memory of the caller's choice. A
/// large one begins where a huge page does.
template <class T>
class TableArray {
public:
    TableArray(std::size_t size, std::pmr::memory_resource* memory)
        : size_{size}, memory_{memory} {
        if (size > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T)) {
            throw std::bad_array_new_length{};
        }
        data_ = static_cast<T*>(memory_->allocate(bytes(), alignment()));
        std::uninitialized_value_construct_n(data_, size_);
    }

    ~TableArray() {
        std::destroy_n(data_, size_);
        memory_->deallocate(data_, bytes(), alignment());
    }

    TableArray(const TableArray&) = delete;
    TableArray& operator=(const TableArray&) = delete;

    T& operator[](std::size_t i) const noexcept { return data_[i]; }

private:
    static constexpr std::size_t kHugePage = std::size_t{2} << 20;
    static constexpr std::size_t kCacheLine = 64;

    std::size_t bytes() const noexcept { return size_ * sizeof(T); }
    std::size_t alignment() const noexcept {
        return bytes() < kHugePage ? std::max(alignof(T), kCacheLine) : kHugePage;
    }

    std::size_t size_;
    std::pmr::memory_resource* memory_;
    T* data_;
};

}  // namespace resilience::detail

#endif
