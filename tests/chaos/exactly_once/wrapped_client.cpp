// SPDX-License-Identifier: MIT
// Functions of librdkafka with a failpoint before and after each: the linker is told to
// take these for the library's calls (`--wrap`).
#include <chaos/exactly_once/failpoint.hpp>

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

using resilience::e2e::pass;

namespace {

constexpr std::int16_t end_transaction = 26;

// Whether the next message of the thread is the first one of its transaction.
thread_local bool is_first = false;

bool is_position(const rd_kafka_vu_t* arguments, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const char* name = nullptr;
        if (arguments[i].vtype == RD_KAFKA_VTYPE_TOPIC) {
            name = arguments[i].u.cstr;
        } else if (arguments[i].vtype == RD_KAFKA_VTYPE_RKT) {
            name = rd_kafka_topic_name(arguments[i].u.rkt);
        }
        if (name != nullptr && std::strstr(name, ".position") != nullptr) return true;
    }
    return false;
}

rd_kafka_resp_err_t
on_sent(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t api, std::int16_t, std::int32_t, std::size_t, void*) {
    if (api == end_transaction) pass("commit sent");
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t
on_answered(rd_kafka_t*, int, const char*, std::int32_t, std::int16_t api, std::int16_t, std::int32_t, std::size_t, std::int64_t, rd_kafka_resp_err_t error, void*) {
    if (api == end_transaction && error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        pass("commit answered");
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

}  // namespace

extern "C" {

rd_kafka_error_t* __real_rd_kafka_init_transactions(rd_kafka_t* client, int timeout);
rd_kafka_error_t* __wrap_rd_kafka_init_transactions(rd_kafka_t* client, int timeout);
rd_kafka_error_t* __real_rd_kafka_begin_transaction(rd_kafka_t* client);
rd_kafka_error_t* __wrap_rd_kafka_begin_transaction(rd_kafka_t* client);
rd_kafka_error_t* __real_rd_kafka_produceva(
    rd_kafka_t* client, const rd_kafka_vu_t* arguments, std::size_t count
);
rd_kafka_error_t* __wrap_rd_kafka_produceva(
    rd_kafka_t* client, const rd_kafka_vu_t* arguments, std::size_t count
);
rd_kafka_resp_err_t __real_rd_kafka_flush(rd_kafka_t* client, int timeout);
rd_kafka_resp_err_t __wrap_rd_kafka_flush(rd_kafka_t* client, int timeout);
rd_kafka_error_t* __real_rd_kafka_commit_transaction(rd_kafka_t* client, int timeout);
rd_kafka_error_t* __wrap_rd_kafka_commit_transaction(rd_kafka_t* client, int timeout);
rd_kafka_resp_err_t __real_rd_kafka_interceptor_add_on_request_sent(
    rd_kafka_t* client,
    const char* name,
    rd_kafka_interceptor_f_on_request_sent_t* call,
    void* opaque
);
rd_kafka_resp_err_t __wrap_rd_kafka_interceptor_add_on_request_sent(
    rd_kafka_t* client,
    const char* name,
    rd_kafka_interceptor_f_on_request_sent_t* call,
    void* opaque
);

rd_kafka_error_t* __wrap_rd_kafka_init_transactions(rd_kafka_t* client, int timeout) {
    auto* error = __real_rd_kafka_init_transactions(client, timeout);
    if (!error) pass("after fence");
    return error;
}

rd_kafka_error_t* __wrap_rd_kafka_begin_transaction(rd_kafka_t* client) {
    pass("before begin");
    auto* error = __real_rd_kafka_begin_transaction(client);
    if (!error) {
        is_first = true;
        pass("after begin");
    }
    return error;
}

rd_kafka_error_t* __wrap_rd_kafka_produceva(
    rd_kafka_t* client, const rd_kafka_vu_t* arguments, std::size_t count
) {
    const bool is_last = is_position(arguments, count);
    if (is_last) {
        pass("after produce");
        pass("before position");
    } else if (is_first) {
        pass("before produce");
    }
    is_first = false;
    auto* error = __real_rd_kafka_produceva(client, arguments, count);
    if (is_last) pass("after position");
    return error;
}

rd_kafka_resp_err_t __wrap_rd_kafka_flush(rd_kafka_t* client, int timeout) {
    pass("before reports");
    return __real_rd_kafka_flush(client, timeout);
}

rd_kafka_error_t* __wrap_rd_kafka_commit_transaction(rd_kafka_t* client, int timeout) {
    pass("after reports");
    pass("before commit");
    auto* error = __real_rd_kafka_commit_transaction(client, timeout);
    if (!error) pass("after commit");
    return error;
}

rd_kafka_resp_err_t __wrap_rd_kafka_interceptor_add_on_request_sent(
    rd_kafka_t* client,
    const char* name,
    rd_kafka_interceptor_f_on_request_sent_t* call,
    void* opaque
) {
    const auto error =
        __real_rd_kafka_interceptor_add_on_request_sent(client, name, call, opaque);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    __real_rd_kafka_interceptor_add_on_request_sent(
        client, "failpoints", on_sent, nullptr
    );
    return rd_kafka_interceptor_add_on_response_received(
        client, "failpoints", on_answered, nullptr
    );
}

}  // extern "C"
