// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_ROUTES_HPP
#define RESILIENCE_MODULES_BUCKET_ROUTES_HPP

#include <modules/bucket/bucket_store.hpp>

#include <memory>

namespace resilience::host {
class App;
class Router;
}  // namespace resilience::host

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::modules::bucket {

/** Adds the routes of buckets (M2 to M5) below `/v1/bucket` and `/api/bucket`.

    When the store cannot decide, the answer is 503 and nobody is admitted.

    Counts `bucket_requests_total` by operation and result, and
    `bucket_tokens_consumed_total`; of a store in the process, `bucket_table_slots`,
    `bucket_table_keys` and `bucket_table_overflows_total`.

    @param limit What the store decides by; named in the answers.

    @par Object lifetimes
    The store must outlive the router's and the metrics' use.
*/
void add_routes(
    host::Router& router,
    prometheus::Metrics& metrics,
    BucketStore& store,
    BucketLimit limit
);

/// Makes buckets part of a program: the routes, and the health part `bucket` (M10),
/// without which the program is not ready.
void mount(host::App& app, BucketStore& store, BucketLimit limit);

/** As above, with the store that the settings ask for.

    @return The store, which must outlive the program's run.
    @throws std::invalid_argument Names the setting that is at fault.
*/
std::unique_ptr<BucketStore> mount(
    host::App& app, const BucketSettings& settings, const backing::RedisSettings& redis
);

}  // namespace resilience::modules::bucket

#endif
