// SPDX-License-Identifier: MIT
#include "host/router.hpp"

#include "host/answers.hpp"
#include "host/percent.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <utility>

namespace resilience::host {
namespace {

constexpr std::size_t method_count = static_cast<std::size_t>(Method::other);

using MethodSet = std::array<bool, method_count>;

// The value of `Allow`; empty when there is no method. What GET answers, HEAD does too.
std::string allow_of(MethodSet methods) {
    const auto get = static_cast<std::size_t>(Method::get);
    const auto head = static_cast<std::size_t>(Method::head);
    methods[head] = methods[head] || methods[get];
    std::string allow;
    for (std::size_t i = 0; i < method_count; ++i) {
        if (!methods[i] || static_cast<Method>(i) == Method::options) continue;
        allow += to_string(static_cast<Method>(i));
        allow += ", ";
    }
    if (!allow.empty()) allow += "OPTIONS";
    return allow;
}

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        path.remove_prefix(1);
        segments.push_back(path.substr(0, path.find('/')));
        path.remove_prefix(segments.back().size());
    }
    return segments;
}

bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

}  // namespace

struct Router::Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::unique_ptr<Node> parameter;
    std::array<const Route*, method_count> routes{};
    // The names of the pattern's parameters, which differ between methods at most.
    std::array<std::vector<std::string>, method_count> names;
};

namespace {

// Walks the tree; a literal is tried before a parameter, and a node that has the path but
// not the method is remembered for `Allow`.
template <class Node>
struct Search {
    Method method;
    std::vector<std::string_view> captured = {};
    MethodSet allowed = {};

    const Node* walk(const Node& node, std::string_view rest) {
        if (rest.empty()) return accept(node);
        const auto segment = rest.substr(1, rest.find('/', 1) - 1);
        const auto after = rest.substr(1 + segment.size());
        if (const Node* next = literal(node, segment)) {
            if (const Node* found = walk(*next, after)) return found;
        }
        if (node.parameter && !segment.empty()) {
            captured.push_back(segment);
            if (const Node* found = walk(*node.parameter, after)) return found;
            captured.pop_back();
        }
        return nullptr;
    }

private:
    const Node* accept(const Node& node) {
        for (std::size_t i = 0; i < method_count; ++i) {
            allowed[i] = allowed[i] || node.routes[i] != nullptr;
        }
        const bool known = method != Method::other;
        return known && node.routes[static_cast<std::size_t>(method)] ? &node : nullptr;
    }

    static const Node* literal(const Node& node, std::string_view segment) {
        auto found = node.literals.end();
        if (segment.find('%') == std::string_view::npos) {
            found = node.literals.find(segment);
        } else {
            std::string decoded;
            if (percent_decode(segment, false, decoded).empty()) {
                found = node.literals.find(decoded);
            }
        }
        return found == node.literals.end() ? nullptr : found->second.get();
    }
};

}  // namespace

RouteGroup& RouteGroup::add(
    Method method, std::string_view pattern, RouteDoc doc, Handler handler
) {
    for (const std::string& prefix : prefixes_) {
        router_->add(method, prefix + std::string{pattern}, doc, handler);
    }
    return *this;
}

Router::Router() : root_(std::make_unique<Node>()) {}
Router::~Router() = default;

RouteGroup Router::at(std::vector<std::string> prefixes) {
    return RouteGroup{*this, std::move(prefixes)};
}

void Router::add(Method method, std::string pattern, RouteDoc doc, Handler handler) {
    if (!pattern.starts_with('/')) {
        throw std::invalid_argument("pattern: '" + pattern + "' needs a leading slash");
    }
    if (method == Method::other || !handler) {
        throw std::invalid_argument(
            "pattern: '" + pattern + "' has no method or handler"
        );
    }
    Node* node = root_.get();
    std::vector<std::string> names;
    for (auto segment : split(pattern)) {
        const bool parameter = is_parameter(segment);
        if (!parameter && segment.find_first_of("{}") != std::string_view::npos) {
            throw std::invalid_argument("pattern: '" + pattern + "' has a stray brace");
        }
        auto& next = parameter ? node->parameter : node->literals[std::string{segment}];
        if (!next) next = std::make_unique<Node>();
        node = next.get();
        if (parameter) names.emplace_back(segment.substr(1, segment.size() - 2));
    }
    const auto slot = static_cast<std::size_t>(method);
    if (node->routes[slot] != nullptr) {
        throw std::invalid_argument("pattern: '" + pattern + "' is taken");
    }
    routes_.push_back(std::make_unique<Route>(Route{
        method, std::move(pattern), std::move(doc), std::move(handler), routes_.size()}));
    node->routes[slot] = routes_.back().get();
    node->names[slot] = std::move(names);
}

Router::Match Router::find(Request& request) const {
    request.path_parameters().clear();
    Search<Node> search{request.method};
    const Node* node = search.walk(*root_, request.raw_path());
    if (node == nullptr && request.method == Method::head) {
        search = {Method::get};
        node = search.walk(*root_, request.raw_path());
    }
    if (node != nullptr) {
        const auto slot = static_cast<std::size_t>(search.method);
        for (std::size_t i = 0; i < search.captured.size(); ++i) {
            auto& [name, value] = request.path_parameters().emplace_back();
            name = node->names[slot][i];
            (void)percent_decode(search.captured[i], false, value);
        }
        return {node->routes[slot]};
    }
    return {nullptr, allow_of(search.allowed)};
}

std::string Router::methods() const {
    MethodSet methods{};
    for (const auto& route : routes_) {
        methods[static_cast<std::size_t>(route->method)] = true;
    }
    return allow_of(methods);
}

net::awaitable<Response> Router::dispatch(Request& request) const {
    const Match match = find(request);
    Response response;
    if (match.route == nullptr) {
        response = answer_without_route(match, request);
    } else if (auto refusal = refuse_coding(request)) {
        response = std::move(*refusal);
    } else {
        try {
            response = co_await match.route->handler(request);
        } catch (...) {
            response = answer_to_exception(std::current_exception());
        }
    }
    finish(response, request);
    if (request.method == Method::head) response.body.clear();
    co_return response;
}

}  // namespace resilience::host
