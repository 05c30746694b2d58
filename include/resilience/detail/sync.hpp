// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_DETAIL_SYNC_HPP
#define RESILIENCE_DETAIL_SYNC_HPP

#include <atomic>
#include <condition_variable>
#include <mutex>

// What threads share is made of these where tests/unit/weak_memory explores it, by
// putting its own in their place. CONTRIBUTING.md says where it is made of the standard
// library's.
namespace resilience::detail {

template <class T>
using Atomic = std::atomic<T>;
using Mutex = std::mutex;
using ConditionVariable = std::condition_variable;

/// How often a contender looks again before it sleeps.
inline constexpr int contended_looks = 64;

}  // namespace resilience::detail

#endif
