// SPDX-License-Identifier: MIT
#include <resilience/token_bucket.hpp>

int main() {
    resilience::TokenBucket bucket{
        {.tokens = 1, .period = std::chrono::seconds{1}, .burst = 1}};
    return bucket.try_acquire(1) && !bucket.try_acquire(1) ? 0 : 1;
}
