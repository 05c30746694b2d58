// SPDX-License-Identifier: MIT
#include "wire.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>
#include <vector>

namespace resilience::redis::detail {

void Wire::Free::operator()(char* command) const noexcept { redisFreeCommand(command); }

Wire::Wire(std::span<const std::string_view> args) {
    std::vector<const char*> starts(args.size());
    std::vector<std::size_t> sizes(args.size());
    for (std::size_t i = 0; i < args.size(); ++i) {
        starts[i] = args[i].data();
        sizes[i] = args[i].size();
    }
    char* target = nullptr;
    const auto size = redisFormatCommandArgv(
        &target, static_cast<int>(args.size()), starts.data(), sizes.data()
    );
    if (size < 0) throw std::bad_alloc();
    data_.reset(target);
    size_ = static_cast<std::size_t>(size);
}

std::optional<Failure> server_failure(std::string_view words) {
    static constexpr std::pair<std::string_view, Errc> table[] = {
        {"NOAUTH", Errc::access_denied},
        {"WRONGPASS", Errc::access_denied},
        {"NOPERM", Errc::access_denied},
        {"DENIED", Errc::access_denied},
        {"LOADING", Errc::unavailable},
        {"BUSY", Errc::unavailable},
        {"MASTERDOWN", Errc::unavailable},
        {"CLUSTERDOWN", Errc::unavailable},
        {"TRYAGAIN", Errc::unavailable},
        {"READONLY", Errc::storage_full},
        {"OOM", Errc::storage_full},
        {"MISCONF", Errc::storage_full},
        {"NOREPLICAS", Errc::storage_full},
        {"MOVED", Errc::bad_destination},
        {"ASK", Errc::bad_destination},
        {"CROSSSLOT", Errc::bad_destination},
    };
    const auto word = words.substr(0, words.find(' '));
    for (const auto& [name, code] : table) {
        if (word == name) return fail(code, std::string(words));
    }
    return std::nullopt;
}

// hiredis calls back for each part of a reply. A null answer stops it with an error; what
// was wrong stands in `violation`.
struct ReplyReader::Builder {
    static constexpr int max_depth = 7;

    std::size_t max_bytes;
    Reply root;
    std::size_t bytes = 0;
    const char* violation = nullptr;

    explicit Builder(std::size_t limit) : max_bytes(limit) {}

    void start() {
        root = {};
        bytes = 0;
    }

    bool charge(std::size_t size) {
        // Each part costs the peer at least four bytes.
        bytes += size + 4;
        if (bytes > max_bytes) violation = "the reply is larger than the limit";
        return violation == nullptr;
    }

    // Elements are added as they arrive, so memory follows what was received and not what
    // the peer announced. Only the last element of an array can still be under
    // construction, so growing an array moves nothing that hiredis holds a pointer to.
    Reply* place(const redisReadTask* task) {
        if (task->parent == nullptr) return &root;
        auto& siblings = static_cast<Reply*>(task->parent->obj)->elements;
        return &siblings.emplace_back();
    }

    template <class Fill>
    static void* add(const redisReadTask* task, std::size_t size, Fill fill) noexcept {
        auto& self = *static_cast<Builder*>(task->privdata);
        if (!self.charge(size)) return nullptr;
        try {
            Reply* reply = self.place(task);
            fill(*reply);
            return reply;
        } catch (const std::bad_alloc&) {
            self.violation = "out of memory";
            return nullptr;
        }
    }

    static void* refuse(const redisReadTask* task) noexcept {
        static_cast<Builder*>(task->privdata)->violation = "the reply is not RESP2";
        return nullptr;
    }

    static void* create_string(const redisReadTask* task, char* text, std::size_t size) {
        ReplyKind kind{};
        switch (task->type) {
            case REDIS_REPLY_STRING:
                kind = ReplyKind::bulk;
                break;
            case REDIS_REPLY_STATUS:
                kind = ReplyKind::status;
                break;
            case REDIS_REPLY_ERROR:
                kind = ReplyKind::error;
                break;
            default:
                return refuse(task);
        }
        return add(task, size, [&](Reply& reply) {
            reply.kind = kind;
            reply.text.assign(text, size);
        });
    }

    // The count is an int or a size_t, by the version of hiredis.
    template <class Count>
    static void* create_array(const redisReadTask* task, Count count) {
        if (task->type != REDIS_REPLY_ARRAY) return refuse(task);
        int depth = 1;
        for (auto* up = task->parent; up != nullptr; up = up->parent) ++depth;
        auto& self = *static_cast<Builder*>(task->privdata);
        if (depth > max_depth || static_cast<std::size_t>(count) > self.max_bytes / 4) {
            self.violation = "the reply is nested too deeply or has too many elements";
            return nullptr;
        }
        return add(task, 0, [&](Reply& reply) {
            reply.kind = ReplyKind::array;
            reply.elements.reserve(
                std::min<std::size_t>(static_cast<std::size_t>(count), 8)
            );
        });
    }

    static void* create_integer(const redisReadTask* task, long long value) {
        return add(task, 0, [&](Reply& reply) {
            reply.kind = ReplyKind::integer;
            reply.integer = value;
        });
    }

    static void* create_nil(const redisReadTask* task) {
        if (task->type == REDIS_REPLY_NIL) return refuse(task);  // of RESP3
        return add(task, 0, [](Reply&) {});
    }

    // Types of RESP3, which newer versions of hiredis also read.
    template <class Functions>
    static void refuse_newer(Functions& functions) {
        if constexpr (requires { functions.createDouble; }) {
            functions.createDouble = [](const redisReadTask* task, double, char*, size_t
                                     ) { return refuse(task); };
            functions.createBool = [](const redisReadTask* task, int) {
                return refuse(task);
            };
        }
    }

    static redisReplyObjectFunctions make_functions() {
        redisReplyObjectFunctions functions{};
        functions.createString = create_string;
        functions.createArray = create_array;
        functions.createInteger = create_integer;
        functions.createNil = create_nil;
        functions.freeObject = [](void*) {};  // the builder owns every part
        refuse_newer(functions);
        return functions;
    }
};

void ReplyReader::FreeReader::operator()(redisReader* reader) const noexcept {
    redisReaderFree(reader);
}

ReplyReader::ReplyReader(std::size_t max_reply_bytes)
    : builder_(std::make_unique<Builder>(max_reply_bytes)) {
    static redisReplyObjectFunctions functions = Builder::make_functions();
    reader_.reset(redisReaderCreateWithFunctions(&functions));
    if (!reader_) throw std::bad_alloc();
    reader_->privdata = builder_.get();
}

ReplyReader::~ReplyReader() = default;

void ReplyReader::feed(std::string_view bytes) {
    redisReaderFeed(reader_.get(), bytes.data(), bytes.size());
}

Result<std::optional<Reply>> ReplyReader::next() {
    void* done = nullptr;
    const int status = redisReaderGetReply(reader_.get(), &done);
    if (status != REDIS_OK) {
        const char* reason = builder_->violation;
        return fail(Errc::protocol_error, reason != nullptr ? reason : reader_->errstr);
    }
    if (done == nullptr) {
        if (reader_->len - reader_->pos + builder_->bytes > builder_->max_bytes) {
            return fail(Errc::protocol_error, "the reply is larger than the limit");
        }
        return std::optional<Reply>{};
    }
    std::optional<Reply> reply{std::move(builder_->root)};
    builder_->start();
    return reply;
}

}  // namespace resilience::redis::detail
