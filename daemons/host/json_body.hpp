// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_JSON_BODY_HPP
#define RESILIENCE_HOST_JSON_BODY_HPP

#include "host/problem.hpp"
#include "host/request.hpp"
#include "host/text.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resilience::host {

/// What a text must be like. Bytes, not characters.
struct TextRule {
    std::size_t max_bytes = 255;
    /// Whether "" is taken. Default false.
    bool may_be_empty = false;
    /// Whether a missing field counts as "". Default false.
    bool may_be_missing = false;
};

/** Reads the fields of a JSON object and keeps the first thing that is wrong.

    @code
    JsonBody body{request};
    std::string email = body.string("email");
    std::string name = body.string("name");
    if (body.failed()) co_return body.problem();
    @endcode

    The text must be one that @ref read_json takes; so a field given twice is a finding.
    The content type must be absent, `application/json` or `*+json`, and its charset
   absent or UTF-8; else the problem is a 415. Fields that nobody asks for are ignored.
*/
class JsonBody {
public:
    explicit JsonBody(const Request& request);

    /// Reads part of a body: `path` stands before field names in problems, as in
    /// `requests[3].key`.
    JsonBody(const boost::json::value& value, std::string path);

    bool has(std::string_view field) const noexcept;

    /// A string; empty once anything is wrong.
    std::string string(std::string_view field, TextRule rule = {});

    /// A whole number, not one in quotes and not `1.5`; `least` once anything is wrong.
    std::int64_t integer(std::string_view field, std::int64_t least, std::int64_t most);

    /// As above; `fallback` when the field is missing.
    std::int64_t integer_or(
        std::string_view field,
        std::int64_t fallback,
        std::int64_t least,
        std::int64_t most
    );

    bool boolean_or(std::string_view field, bool fallback);

    /// An array of at most `most` elements; null once anything is wrong.
    const boost::json::array* array(std::string_view field, std::size_t most);

    /// Notes a finding of the caller, such as an e-mail address without `@`.
    void refuse(std::string_view field, std::string detail);
    /// Takes over the finding of a reader of a part.
    void refuse(Problem problem);

    bool failed() const noexcept { return problem_.has_value(); }

    /// The first finding. @pre `failed()`
    const Problem& problem() const noexcept { return *problem_; }

private:
    const boost::json::value* find(std::string_view field, bool required);
    std::string full_name(std::string_view field) const;

    boost::json::value owned_;
    const boost::json::object* object_ = nullptr;
    std::string path_;
    std::optional<Problem> problem_;
};

/** Reads query parameters and keeps the first thing that is wrong, as @ref JsonBody does.

    A parameter given twice is always a finding; parameters that nobody asks for are
    ignored.
*/
class QueryReader {
public:
    explicit QueryReader(const Request& request) : request_(&request) {}

    bool has(std::string_view name) const noexcept {
        return request_->query_count(name) > 0;
    }
    std::string string(std::string_view name, TextRule rule = {});
    std::int64_t integer(std::string_view name, std::int64_t least, std::int64_t most);
    std::int64_t integer_or(
        std::string_view name,
        std::int64_t fallback,
        std::int64_t least,
        std::int64_t most
    );

    bool failed() const noexcept { return problem_.has_value(); }
    /// The first finding. @pre `failed()`
    const Problem& problem() const noexcept { return *problem_; }

private:
    std::optional<std::string_view> find(std::string_view name, bool required);
    void refuse(std::string_view name, std::string detail);

    const Request* request_;
    std::optional<Problem> problem_;
};

}  // namespace resilience::host

#endif
