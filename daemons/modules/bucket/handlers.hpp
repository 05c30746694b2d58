// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BUCKET_HANDLERS_HPP
#define RESILIENCE_MODULES_BUCKET_HANDLERS_HPP

#include <host/router.hpp>
#include <modules/bucket/bucket_store.hpp>

#include <resilience/prometheus/instruments.hpp>

#include <string_view>
#include <vector>

namespace resilience::prometheus {
class Metrics;
}

namespace resilience::modules::bucket {

/** The handlers of the bucket routes.

    @par Thread safety
    Safe, as far as the store is.

    @par Object lifetimes
    The store must outlive them.
*/
class Handlers {
public:
    Handlers(prometheus::Metrics& metrics, BucketStore& store, BucketLimit limit);

    net::awaitable<host::Response> check(host::Request& request);
    net::awaitable<host::Response> consume(host::Request& request);
    net::awaitable<host::Response> reset(host::Request& request);
    net::awaitable<host::Response> bulk_consume(host::Request& request);

private:
    net::awaitable<host::Response> consume_each(std::vector<TokenRequest> requests);
    net::awaitable<host::Response> consume_all(
        host::Request& request, std::vector<TokenRequest> requests
    );
    host::Response counted(std::string_view operation, host::Response response) const;

    BucketStore& store_;
    BucketLimit limit_;
    prometheus::CounterFamily requests_;
    prometheus::Counter consumed_;
};

}  // namespace resilience::modules::bucket

#endif
