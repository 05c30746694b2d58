// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_ROUTER_HPP
#define RESILIENCE_HOST_ROUTER_HPP

#include "host/request.hpp"
#include "host/response.hpp"

#include <resilience/asio/result.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::host {

/** Answers one request.

    Runs on the connection's executor; with more than one thread, handlers of different
    connections run at once. An exception becomes a 500 problem and a log line. When the
    deadline passes, the handler is cancelled (`terminal`) and the client gets a 503.
*/
using Handler = std::function<net::awaitable<Response>(Request&)>;

/// A parameter of the query as the documentation shows it.
struct ParameterDoc {
    std::string name;
    std::string description;
    bool required = false;
    /// A JSON Schema type: `string`, `integer`, `boolean`, `number`.
    std::string type = "string";
};

/// An answer as the documentation shows it.
struct ReplyDoc {
    unsigned status = 200;
    std::string description;
    /// JSON Schema of the body as JSON text; empty: any object. Ignored from 400 on.
    std::string schema = {};
};

/// What `/openapi.json` says of a route.
struct RouteDoc {
    std::string summary;
    std::vector<ParameterDoc> query = {};
    /// JSON Schema of the body as JSON text; empty: the route takes none.
    std::string body = {};
    std::vector<ReplyDoc> replies = {};
    /// Left out of the documentation. Default false.
    bool hidden = false;
    /// Its requests are logged at `debug`, as fits probes and scrapes. Default false.
    bool quiet = false;
};

/// A handler at its place.
struct Route {
    Method method;
    /// Literal segments and `{parameters}`; also the `route` label of the metrics.
    std::string pattern;
    RouteDoc doc;
    Handler handler;
    /// Position among the router's routes, stable for its life.
    std::size_t index = 0;
};

class Router;

/// Adds routes below one or more prefixes; see @ref Router::at.
class RouteGroup {
public:
    /** Adds a handler under each prefix.

        @param pattern Continues the prefix: empty, or begins with a slash.
        @throws std::invalid_argument The pattern is malformed or taken.
    */
    RouteGroup& add(
        Method method, std::string_view pattern, RouteDoc doc, Handler handler
    );

    RouteGroup& get(std::string_view pattern, RouteDoc doc, Handler handler) {
        return add(Method::get, pattern, std::move(doc), std::move(handler));
    }
    RouteGroup& post(std::string_view pattern, RouteDoc doc, Handler handler) {
        return add(Method::post, pattern, std::move(doc), std::move(handler));
    }
    RouteGroup& put(std::string_view pattern, RouteDoc doc, Handler handler) {
        return add(Method::put, pattern, std::move(doc), std::move(handler));
    }
    RouteGroup& del(std::string_view pattern, RouteDoc doc, Handler handler) {
        return add(Method::del, pattern, std::move(doc), std::move(handler));
    }

private:
    friend class Router;
    RouteGroup(Router& router, std::vector<std::string> prefixes)
        : router_(&router), prefixes_(std::move(prefixes)) {}

    Router* router_;
    std::vector<std::string> prefixes_;
};

/** Finds the handler of a method and a path.

    A pattern is made of segments: a literal one, or `{name}` that takes any segment but
    the empty one. A literal wins over a parameter. Segments are decoded after the path is
    split, so an escaped slash stays inside its segment. A trailing slash is a different
    path. `HEAD` is answered by the `GET` handler without its body; `OPTIONS` by `Allow`.

    @par Thread safety
    Safe to read from many threads once all routes are added.
*/
class Router {
public:
    Router();
    ~Router();
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    /** Opens a group whose routes are mounted at each of the prefixes.

        @code
        auto users = router.at({"/v1/users", "/api/users", "/users"});
        users.post("", {.summary = "Creates a user"}, create);
        users.get("/{id}", {.summary = "Reads a user"}, read);
        @endcode
    */
    RouteGroup at(std::vector<std::string> prefixes);

    /// Opens a group without a prefix.
    RouteGroup root() { return at({std::string{}}); }

    /// What @ref find found: a route, or the answer to give without one.
    struct Match {
        const Route* route = nullptr;
        /// The value of `Allow`: filled when the path exists and the method does not.
        std::string allow = {};
    };

    /// Finds the route and fills the path parameters. Both members empty: 404.
    Match find(Request& request) const;

    /// The value of `Allow` for the server as a whole: the methods of all its routes.
    std::string methods() const;

    /** Answers a request as the server does, without one: 404, 405, `OPTIONS`, `HEAD`,
        exceptions and problems included. For tests of modules.
    */
    net::awaitable<Response> dispatch(Request& request) const;

    const std::vector<std::unique_ptr<Route>>& routes() const noexcept { return routes_; }

private:
    friend class RouteGroup;
    struct Node;
    void add(Method method, std::string pattern, RouteDoc doc, Handler handler);

    std::unique_ptr<Node> root_;
    std::vector<std::unique_ptr<Route>> routes_;
};

}  // namespace resilience::host

#endif
