// SPDX-License-Identifier: MIT
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#ifdef __SANITIZE_THREAD__
// Asio counts the references of an erased executor with a release and a fence, and the
// thread sanitizer understands no fence: it takes the last owner's delete for a race.
// What librdkafka copies and frees behind its own atomics would look like races, too.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
    return "race:boost::asio::execution::detail::shared_target_executor\n"
           "called_from_lib:librdkafka.so\n";
}
#endif
