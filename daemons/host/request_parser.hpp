// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_REQUEST_PARSER_HPP
#define RESILIENCE_HOST_REQUEST_PARSER_HPP

#include "host/request.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

namespace resilience::host {

/** Beast's parser, writing straight into a @ref Request.

    Beast's own message type allocates a node for each header field; this one appends to
    memory that the connection keeps.
*/
class RequestParser final : public boost::beast::http::basic_parser<true> {
    using error_code = boost::beast::error_code;
    using string_view = boost::beast::string_view;
    using verb = boost::beast::http::verb;
    using field = boost::beast::http::field;
    using error = boost::beast::http::error;

public:
    /// @param target Takes the target of the request line as it came.
    RequestParser(
        Request& request,
        std::string& target,
        std::size_t header_limit,
        std::size_t body_limit
    )
        : request_(&request), target_(&target), header_limit_(header_limit) {
        this->header_limit(static_cast<std::uint32_t>(header_limit));
        this->body_limit(body_limit);
        this->eager(false);
    }

    /// Whether method and target are known.
    bool has_request_line() const noexcept { return has_request_line_; }
    bool is_http_1_1() const noexcept { return version_ == 11; }
    bool expects_continue() const noexcept { return expects_continue_; }
    bool is_connect() const noexcept { return is_connect_; }

private:
    // The base counts only what stands in the buffer at once, which a client that sends
    // line by line stays below for ever.
    bool count(std::size_t bytes, error_code& ec) {
        header_bytes_ += bytes;
        if (header_bytes_ > header_limit_) ec = error::header_limit;
        return !ec;
    }

    void on_request_impl(
        verb known, string_view method, string_view target, int version, error_code& ec
    ) override {
        request_->method = method_of({method.data(), method.size()});
        target_->assign(target.data(), target.size());
        version_ = version;
        is_connect_ = known == verb::connect;
        has_request_line_ = true;
        count(method.size() + target.size() + 12, ec);
    }

    void on_field_impl(field name, string_view text, string_view value, error_code& ec)
        override {
        // Trailers come after the header and must not pass for it.
        if (!count(text.size() + value.size() + 4, ec) || header_done_) return;
        request_->add_header({text.data(), text.size()}, {value.data(), value.size()});
        if (name == field::expect) {
            expects_continue_ = boost::beast::iequals(value, "100-continue");
        }
    }

    void on_header_impl(error_code&) override { header_done_ = true; }

    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&)
        override {
        // A length is a claim: memory follows what really comes.
        constexpr std::uint64_t most = 64 * 1024;
        request_->body.reserve(static_cast<std::size_t>(std::min(length.value_or(0), most)
        ));
    }

    std::size_t on_body_impl(string_view body, error_code&) override {
        request_->body.append(body.data(), body.size());
        return body.size();
    }

    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}

    std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code&)
        override {
        request_->body.append(body.data(), body.size());
        return body.size();
    }

    void on_finish_impl(error_code&) override {}

    // Never called for requests.
    void on_response_impl(int, string_view, int, error_code&) override {}

    Request* request_;
    std::string* target_;
    std::size_t header_limit_;
    std::size_t header_bytes_ = 0;
    int version_ = 11;
    bool has_request_line_ = false;
    bool header_done_ = false;
    bool expects_continue_ = false;
    bool is_connect_ = false;
};

}  // namespace resilience::host

#endif
