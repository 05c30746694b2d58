// SPDX-License-Identifier: MIT
#include "kafka/client.hpp"

#include "kafka/error_map.hpp"

#include <array>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace resilience::kafka::detail {
namespace {

void on_log(const rd_kafka_t* client, int severity, const char*, const char* line) {
    // Called from C: nothing may leave.
    try {
        static_cast<ClientLog*>(rd_kafka_opaque(client))
            ->write(severity, line, Clock::now());
    } catch (...) {
    }
}

void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    static_cast<ReportReceiver*>(message->_private)->report(*message);
}

rd_kafka_resp_err_t on_request_sent(
    rd_kafka_t*,
    int,
    const char*,
    std::int32_t,
    std::int16_t api,
    std::int16_t,
    std::int32_t,
    std::size_t,
    void* ledger
) {
    static_cast<RequestLedger*>(ledger)->sent(api, Clock::now());
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Whether the calling thread is one of librdkafka's that talk to a broker.
thread_local bool is_broker_thread = false;

rd_kafka_resp_err_t
on_thread_start(rd_kafka_t*, rd_kafka_thread_type_t type, const char*, void*) {
    is_broker_thread = type == RD_KAFKA_THREAD_BROKER;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

// Called when a request is given up, too, with the reason as `error`; and once more on
// librdkafka's main thread for an answer that is handled there.
rd_kafka_resp_err_t on_response_received(
    rd_kafka_t*,
    int,
    const char*,
    std::int32_t,
    std::int16_t api,
    std::int16_t,
    std::int32_t,
    std::size_t,
    std::int64_t,
    rd_kafka_resp_err_t error,
    void* ledger
) {
    if (is_broker_thread) {
        static_cast<RequestLedger*>(ledger)->ended(
            api, error == RD_KAFKA_RESP_ERR_NO_ERROR, Clock::now()
        );
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

constexpr const char* interceptor_name = "resilience";

// Without its interceptors a client's ledger stays empty, which is not balanced.
rd_kafka_resp_err_t on_new(
    rd_kafka_t* client, const rd_kafka_conf_t*, void* ledger, char*, std::size_t
) {
    auto error = rd_kafka_interceptor_add_on_thread_start(
        client, interceptor_name, on_thread_start, nullptr
    );
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    error = rd_kafka_interceptor_add_on_request_sent(
        client, interceptor_name, on_request_sent, ledger
    );
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
    return rd_kafka_interceptor_add_on_response_received(
        client, interceptor_name, on_response_received, ledger
    );
}

ConfigHandle make_config(const Settings& settings) {
    ConfigHandle config{rd_kafka_conf_new()};
    std::array<char, 512> reason{};
    for (const auto& [name, value] : settings) {
        const auto done = rd_kafka_conf_set(
            config.get(), name.c_str(), value.c_str(), reason.data(), reason.size()
        );
        if (done != RD_KAFKA_CONF_OK) {
            throw std::invalid_argument(std::string{"settings: "} + reason.data());
        }
    }
    return config;
}

HeadersHandle make_headers(const std::vector<HeaderView>& headers) {
    HeadersHandle made{rd_kafka_headers_new(headers.size())};
    for (const auto& [name, value] : headers) {
        rd_kafka_header_add(
            made.get(),
            name.data(),
            static_cast<ssize_t>(name.size()),
            value.data(),
            static_cast<ssize_t>(value.size())
        );
    }
    return made;
}

// The arguments of one message, in the form that needs no variable argument list.
class Arguments {
public:
    rd_kafka_vu_t& add(rd_kafka_vtype_t type) {
        rd_kafka_vu_t& argument = arguments_[count_++];
        argument.vtype = type;
        return argument;
    }

    void add(rd_kafka_vtype_t type, std::string_view bytes) {
        auto& memory = add(type).u.mem;
        // librdkafka copies it.
        memory.ptr = const_cast<char*>(bytes.data());
        memory.size = bytes.size();
    }

    const rd_kafka_vu_t* data() const { return arguments_.data(); }
    std::size_t size() const { return count_; }

private:
    std::array<rd_kafka_vu_t, 8> arguments_{};
    std::size_t count_ = 0;
};

std::int64_t milliseconds_of(WallClock::time_point time) {
    using std::chrono::milliseconds;
    return std::chrono::floor<milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

void check_settings(const Settings& settings) { (void)make_config(settings); }

ClientHandle open_client(
    rd_kafka_type_t type,
    const Settings& settings,
    ClientLog& log,
    RequestLedger* ledger,
    int events
) {
    auto config = make_config(settings);
    rd_kafka_conf_set_opaque(config.get(), &log);
    rd_kafka_conf_set_log_cb(config.get(), on_log);
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(config.get(), on_report);
    if (events != RD_KAFKA_EVENT_NONE) rd_kafka_conf_set_events(config.get(), events);
    if (ledger) {
        rd_kafka_conf_interceptor_add_on_new(
            config.get(), interceptor_name, on_new, ledger
        );
    }
    std::array<char, 512> reason{};
    ClientHandle client{rd_kafka_new(type, config.get(), reason.data(), reason.size())};
    if (!client) throw std::invalid_argument(std::string{"settings: "} + reason.data());
    (void)config.release();
    return client;
}

Client::Client(const Settings& settings, LogHook log, RequestLedger* ledger)
    : log_(std::make_unique<ClientLog>(std::move(log))),
      client_(open_client(RD_KAFKA_PRODUCER, settings, *log_, ledger)),
      queue_(rd_kafka_queue_get_main(client_.get())) {}

Client::~Client() {
    signal_to(-1);
    queue_.reset();
    purge(true);
}

void Client::signal_to(int fd) {
    // What an eventfd takes in one write.
    constexpr std::uint64_t one = 1;
    rd_kafka_queue_io_event_enable(queue_.get(), fd, &one, sizeof one);
}

Result<TopicHandle> Client::topic(const std::string& name) {
    TopicHandle made{rd_kafka_topic_new(client_.get(), name.c_str(), nullptr)};
    if (made) return made;
    const auto error = rd_kafka_last_error();
    return fail(request_error(error), rd_kafka_err2str(error));
}

MetadataAnswer Client::fetch_metadata(
    rd_kafka_topic_t& topic, std::chrono::milliseconds timeout
) {
    const auto began = Clock::now();
    const auto failure = [&](rd_kafka_resp_err_t error) -> MetadataAnswer {
        std::string detail = rd_kafka_err2str(error);
        const auto trouble = log_->trouble_since(began - timeout);
        if (!trouble.empty()) detail += " (" + trouble + ')';
        return {fail(request_error(error), std::move(detail)), is_topic_pending(error)};
    };
    const rd_kafka_metadata_t* answer = nullptr;
    const auto error = rd_kafka_metadata(
        client_.get(), 0, &topic, &answer, static_cast<int>(timeout.count())
    );
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(error);
    const MetadataHandle metadata{answer};
    if (metadata->topic_cnt < 1) return failure(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    const auto& found = metadata->topics[0];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) return failure(found.err);
    if (found.partition_cnt < 1) return failure(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
    return {TopicMetadata{found.partition_cnt}, false};
}

int Client::produce(
    rd_kafka_topic_t& topic, const MessageView& message, ReportReceiver* mark
) {
    Arguments arguments;
    arguments.add(RD_KAFKA_VTYPE_RKT).u.rkt = &topic;
    arguments.add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
    arguments.add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = mark;
    if (message.value) arguments.add(RD_KAFKA_VTYPE_VALUE, *message.value);
    if (message.key) arguments.add(RD_KAFKA_VTYPE_KEY, *message.key);
    if (message.partition) {
        arguments.add(RD_KAFKA_VTYPE_PARTITION).u.i32 = *message.partition;
    }
    if (message.timestamp) {
        arguments.add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 =
            milliseconds_of(*message.timestamp);
    }
    HeadersHandle headers;
    if (!message.headers.empty()) {
        headers = make_headers(message.headers);
        arguments.add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
    }
    const ErrorHandle error{
        rd_kafka_produceva(client_.get(), arguments.data(), arguments.size())};
    if (error) return rd_kafka_error_code(error.get());
    // The message owns them now.
    (void)headers.release();
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void Client::serve() {
    while (rd_kafka_poll(client_.get(), 0) > 0) {
    }
}

void Client::purge(bool in_flight) {
    const int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING |
                      (in_flight ? RD_KAFKA_PURGE_F_INFLIGHT : 0);
    rd_kafka_purge(client_.get(), flags);
}

}  // namespace resilience::kafka::detail
