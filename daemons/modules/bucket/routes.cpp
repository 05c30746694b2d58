// SPDX-License-Identifier: MIT
#include <modules/bucket/routes.hpp>

#include <host/app.hpp>
#include <modules/bucket/handlers.hpp>

#include <resilience/prometheus/metrics.hpp>

#include <memory>

namespace resilience::modules::bucket {
namespace {

using host::Request;

constexpr const char* key_schema = R"({
"type":"object","required":["key"],
"properties":{"key":{"type":"string","minLength":1,"maxLength":256}}})";

constexpr const char* bulk_schema = R"({
"type":"object","required":["requests"],
"properties":{
"atomic":{"type":"boolean","default":false},
"requests":{"type":"array","minItems":1,"maxItems":1000,"items":{
"type":"object","required":["key"],
"properties":{
"key":{"type":"string","minLength":1,"maxLength":256},
"tokens":{"type":"integer","minimum":1,"maximum":2147483648,"default":1}}}}}})";

constexpr const char* state_schema = R"({
"type":"object",
"properties":{
"key":{"type":"string"},
"allowed":{"type":"boolean"},
"tokens":{"type":"integer"},
"remaining":{"type":"integer"},
"limit":{"type":"integer"},
"retry_after_ms":{"type":"integer"},
"reset_after_ms":{"type":"integer"},
"algorithm":{"type":"string"}}})";

const host::ParameterDoc key_parameter{"key", "1 to 256 bytes", true};
const host::ParameterDoc tokens_parameter{
    "tokens", "1 to 2147483648; default 1", false, "integer"};

const host::ReplyDoc malformed{400, "A parameter or field is missing or malformed"};
const host::ReplyDoc impossible{422, "More tokens than a full bucket holds"};
const host::ReplyDoc refused{429, "Too few tokens; Retry-After says when to come back"};
const host::ReplyDoc unavailable{
    503,
    "The store does not answer, or holds something that is not a bucket (corrupt-data, "
    "which a reset cures); nobody is admitted"};

// For everybody to read, so the server's own words stay out of it.
net::awaitable<host::PartHealth> health_of(BucketStore& store) {
    const auto found = co_await store.ping();
    host::PartHealth health;
    if (!found) {
        health.state = host::HealthState::down;
        health.detail = found.error().code.message();
        health.cause = found.error().message();
    }
    co_return health;
}

// Shows how full the table of an in-process store is; nothing for another store.
void export_occupancy(prometheus::Metrics& metrics, BucketStore& store) {
    if (!store.occupancy()) return;
    const auto slots =
        metrics.gauge("bucket_table_slots", "Keys that the table has room for");
    const auto keys = metrics.gauge(
        "bucket_table_keys", "Keys whose buckets are not full, estimated from a sample"
    );
    const auto overflows = metrics.counter(
        "bucket_table_overflows_total",
        "Decisions by a shared bucket because the key found no room of its own"
    );
    metrics.on_scrape([&store, slots, keys, overflows] {
        const auto now = store.occupancy().value();
        slots.set(static_cast<double>(now.slots));
        keys.set(static_cast<double>(now.keys));
        overflows.raise_to(static_cast<double>(now.overflows));
    });
}

}  // namespace

void add_routes(
    host::Router& router,
    prometheus::Metrics& metrics,
    BucketStore& store,
    BucketLimit limit
) {
    export_occupancy(metrics, store);
    auto handlers = std::make_shared<Handlers>(metrics, store, limit);
    auto group = router.at({"/v1/bucket", "/api/bucket"});
    group.get(
        "/check",
        {.summary = "Tells whether tokens are there and takes none",
         .query = {key_parameter, tokens_parameter},
         .replies =
             {{200, "The bucket", state_schema}, malformed, impossible, unavailable}},
        [handlers](Request& request) { return handlers->check(request); }
    );
    group.post(
        "/consume",
        {.summary = "Takes tokens, or none",
         .query = {key_parameter, tokens_parameter},
         .replies =
             {{200, "The tokens were taken", state_schema},
              malformed,
              impossible,
              refused,
              unavailable}},
        [handlers](Request& request) { return handlers->consume(request); }
    );
    group.post(
        "/reset",
        {.summary = "Fills a bucket; the key stands in the query or in the body, not in "
                    "both",
         .query = {{"key", "1 to 256 bytes"}},
         .body = key_schema,
         .replies = {{200, "The bucket is full", state_schema}, malformed, unavailable}},
        [handlers](Request& request) { return handlers->reset(request); }
    );
    group.post(
        "/bulk-consume",
        {.summary = "Takes from many buckets, one by one or all or none",
         .body = bulk_schema,
         .replies =
             {{200, "A result for each request"},
              malformed,
              impossible,
              {429, "A bucket holds too few tokens, and none were taken (atomic only)"},
              unavailable}},
        [handlers](Request& request) { return handlers->bulk_consume(request); }
    );
}

void mount(host::App& app, BucketStore& store, BucketLimit limit) {
    add_routes(app.router(), app.metrics(), store, limit);
    app.health().add("bucket", host::Need::required, [&store] {
        return health_of(store);
    });
}

std::unique_ptr<BucketStore> mount(
    host::App& app, const BucketSettings& settings, const backing::RedisSettings& redis
) {
    const auto limit = limit_of(settings);
    auto store = make_bucket_store(app.executor(), limit, redis);
    mount(app, *store, limit);
    return store;
}

}  // namespace resilience::modules::bucket
