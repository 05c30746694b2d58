// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SYNC_HPP
#define RESILIENCE_DETAIL_SYNC_HPP

#include <atomic>
#include <condition_variable>
#include <mutex>

// What threads share in the policies is made of these. A test that explores what memory
// may do puts its own in their place: see tests/unit/weak_memory.
namespace resilience::detail {

template <class T>
using Atomic = std::atomic<T>;
using Mutex = std::mutex;
using ConditionVariable = std::condition_variable;

/// How often a contender looks again before it sleeps.
inline constexpr int contended_looks = 64;

}  // namespace resilience::detail

#endif
