// SPDX-License-Identifier: MIT
#include "host/standard_routes.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace resilience::host {
namespace {

namespace json = boost::json;

json::value schema_of(const Route& route, const std::string& text) {
    if (text.empty()) return json::object{{"type", "object"}};
    boost::system::error_code ec;
    json::value schema = json::parse(text, ec);
    if (ec) {
        throw std::invalid_argument("schema of " + route.pattern + ": " + ec.message());
    }
    return schema;
}

json::object content(std::string_view type, json::value schema) {
    return {{"content", {{type, {{"schema", std::move(schema)}}}}}};
}

json::array parameters_of(const Route& route) {
    json::array parameters;
    const std::string_view pattern = route.pattern;
    for (std::size_t open = pattern.find('{'); open != std::string_view::npos;
         open = pattern.find('{', open + 1)) {
        const auto name = pattern.substr(open + 1, pattern.find('}', open) - open - 1);
        parameters.push_back(json::object{
            {"name", name},
            {"in", "path"},
            {"required", true},
            {"schema", {{"type", "string"}}}});
    }
    for (const ParameterDoc& doc : route.doc.query) {
        parameters.push_back(json::object{
            {"name", doc.name},
            {"in", "query"},
            {"description", doc.description},
            {"required", doc.required},
            {"schema", {{"type", doc.type}}}});
    }
    return parameters;
}

json::object responses_of(const Route& route) {
    json::object responses;
    for (const ReplyDoc& reply : route.doc.replies) {
        json::object& entry = responses[std::to_string(reply.status)].emplace_object();
        if (reply.status < 400 && reply.status != 204) {
            entry = content("application/json", schema_of(route, reply.schema));
        }
        entry["description"] = reply.description;
    }
    if (!route.doc.body.empty()) {
        // Whoever reads a body refuses these.
        responses["415"] = {
            {"description", "The body is not JSON in UTF-8, or it has a content coding"}};
    }
    if (route.doc.replies.empty()) responses["200"] = {{"description", "Done"}};
    responses["default"] = {{"$ref", "#/components/responses/Problem"}};
    return responses;
}

json::object operation(const Route& route) {
    json::object result;
    result["summary"] = route.doc.summary;
    if (auto parameters = parameters_of(route); !parameters.empty()) {
        result["parameters"] = std::move(parameters);
    }
    if (!route.doc.body.empty()) {
        json::object body = content("application/json", schema_of(route, route.doc.body));
        body["required"] = true;
        result["requestBody"] = std::move(body);
    }
    result["responses"] = responses_of(route);
    return result;
}

json::object problem_components() {
    const json::object text{{"type", "string"}};
    json::object schema{
        {"type", "object"},
        {"required", json::array{"type", "title", "status"}},
        {"properties",
         {{"type", {{"type", "string"}, {"format", "uri"}}},
          {"title", text},
          {"status", {{"type", "integer"}}},
          {"detail", text},
          {"field", text},
          {"instance", text}}}};
    json::object reply = content(
        "application/problem+json", json::object{{"$ref", "#/components/schemas/Problem"}}
    );
    reply["description"] = "A problem as in RFC 9457";
    return {
        {"schemas", {{"Problem", std::move(schema)}}},
        {"responses", {{"Problem", std::move(reply)}}}};
}

}  // namespace

std::string openapi_document(
    const Router& router, const std::string& title, const std::string& version
) {
    json::object paths;
    for (const auto& route : router.routes()) {
        if (route->doc.hidden) continue;
        std::string method{to_string(route->method)};
        std::transform(method.begin(), method.end(), method.begin(), [](char c) {
            return static_cast<char>(c - 'A' + 'a');
        });
        json::value& path = paths[route->pattern];
        if (!path.is_object()) path.emplace_object();
        path.as_object()[method] = operation(*route);
    }
    return json::serialize(json::object{
        {"openapi", "3.1.0"},
        {"info", {{"title", title}, {"version", version}}},
        {"paths", std::move(paths)},
        {"components", problem_components()}});
}

}  // namespace resilience::host
