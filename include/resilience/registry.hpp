// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_REGISTRY_HPP
#define RESILIENCE_REGISTRY_HPP

#include <resilience/clock.hpp>
#include <resilience/error.hpp>
#include <resilience/policy_snapshot.hpp>

#include <resilience/detail/readable.hpp>
#include <resilience/detail/utf8.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace resilience {

/// Settings of a @ref Registry.
struct RegistryOptions {
    /// Most policies that it holds at once. 1 to 1,048,576; default 1,024.
    std::size_t max_policies = 1024;
};

/** Holds policies by name, so that operators can find, read and change them.

    It shares the ownership: a policy lives as long as the registry or anybody else holds
    it, and a call that has got hold of it goes on after its removal.

    Any type can be a policy. It has readings if it has a function `snapshot(now)`,
    `snapshot()` or `stats(now)`, and what that returns has a function `visit_readings(s,
    visit)` in its namespace, which calls `visit(name, number)` for each reading, with
    names that are literals, and a member `static constexpr const char* kind`. The
    snapshots of this library's policies have both. It can be changed if it has functions
    `options()` and `reconfigure(options)`.

    @par Thread safety
    Distinct objects: safe. Shared objects: safe. No function of a policy, its constructor
    and destructor included, is called while a lock is held: they may use the registry.

    @par Example
    @code
    Registry registry;
    auto breaker = std::make_shared<CircuitBreaker<>>();
    if (auto error = registry.add("orders", breaker)) return error;
    ...
    registry.reconfigure<CircuitBreaker<>>("orders", {.open_for = 10s});
    for (const PolicySnapshot& policy : registry.snapshot()) print(policy);
    @endcode
*/
class Registry {
public:
    /// Most bytes of a name.
    static constexpr std::size_t max_name = 128;

    /// Makes an empty registry.
    /// @throws std::invalid_argument Names the field of `options` that is out of range.
    explicit Registry(const RegistryOptions& options = {}) : options_(checked(options)) {}

    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    /** Adds a policy under a name that nobody else has.

        @par Errors
        - @ref Errc::already_exists Another policy has the name.
        - @ref Errc::storage_full There are `RegistryOptions::max_policies` already.
        - @ref Errc::invalid_request There is no policy, or the name is empty, longer than
          @ref max_name, or no UTF-8.
    */
    template <class Policy>
    [[nodiscard]] std::error_code add(std::string name, std::shared_ptr<Policy> policy) {
        static_assert(
            !std::is_const_v<Policy>, "a registry holds policies to be changed"
        );
        return insert(
            std::move(name),
            policy ? Entry{policy, &typeid(Policy), &detail::read_policy<Policy>}
                   : Entry{}
        );
    }

    /// The policy of this name; null if there is none, or if it is not a `Policy`, of the
    /// very type with which it was added.
    template <class Policy>
    [[nodiscard]] std::shared_ptr<Policy> find(std::string_view name) const {
        const Entry entry = lookup(name);
        if (!entry.policy || *entry.type != typeid(Policy)) return nullptr;
        return std::static_pointer_cast<Policy>(entry.policy);
    }

    /// Lets go of the policy of this name, and returns whether there was one.
    bool remove(std::string_view name) {
        Entries::node_type removed;  // destroyed after the lock is released
        const std::lock_guard lock{mutex_};
        if (const auto found = entries_.find(name); found != entries_.end()) {
            removed = entries_.extract(found);
        }
        return !removed.empty();
    }

    /// The names, in the order of their bytes.
    [[nodiscard]] std::vector<std::string> names() const {
        const std::shared_lock lock{mutex_};
        std::vector<std::string> names;
        names.reserve(entries_.size());
        for (const auto& [name, entry] : entries_) names.push_back(name);
        return names;
    }

    /** Replaces the options of a policy while it is in use.

        @return Whether there is a `Policy` of this name; see @ref find.
        @throws std::invalid_argument The policy does not take these options; its own are
            unchanged then.
        @throws std::length_error The policy keeps what is replaced, and keeps as much as
            it may; its options are unchanged then.
        @throws ... What else the policy throws, such as std::bad_alloc.
    */
    template <class Policy>
    bool reconfigure(std::string_view name, const detail::OptionsOf<Policy>& options)
        const {
        const std::shared_ptr<Policy> policy = find<Policy>(name);
        if (policy) policy->reconfigure(options);
        return policy != nullptr;
    }

    /// How every policy stands, in the order of the names. Each is read at an instant of
    /// its own, while calls go on.
    [[nodiscard]] std::vector<PolicySnapshot> snapshot(TimePoint now = Clock::now())
        const;

    const RegistryOptions& options() const noexcept { return options_; }

private:
    struct Entry {
        std::shared_ptr<void> policy;
        const std::type_info* type = nullptr;
        void (*read)(void* policy, TimePoint now, PolicySnapshot& into) = nullptr;
    };
    using Entries = std::map<std::string, Entry, std::less<>>;

    static const RegistryOptions& checked(const RegistryOptions& options) {
        if (options.max_policies < 1 || options.max_policies > std::size_t{1} << 20) {
            throw std::invalid_argument{
                "RegistryOptions::max_policies must be 1 to 1048576"};
        }
        return options;
    }

    std::error_code insert(std::string name, Entry entry) {
        if (!entry.policy || name.empty() || name.size() > max_name ||
            !detail::is_storable_text(name)) {
            return Errc::invalid_request;
        }
        Entries made;  // destroyed after the lock is released, as is `node`
        made.emplace(std::move(name), std::move(entry));
        Entries::node_type node = made.extract(made.begin());
        const std::lock_guard lock{mutex_};
        if (entries_.contains(node.key())) return Errc::already_exists;
        if (entries_.size() >= options_.max_policies) return Errc::storage_full;
        entries_.insert(std::move(node));
        return {};
    }

    Entry lookup(std::string_view name) const {
        const std::shared_lock lock{mutex_};
        const auto found = entries_.find(name);
        return found == entries_.end() ? Entry{} : found->second;
    }

    RegistryOptions options_;
    mutable std::shared_mutex mutex_;
    Entries entries_;
};

inline std::vector<PolicySnapshot> Registry::snapshot(TimePoint now) const {
    std::vector<std::pair<std::string, Entry>> seen;
    {
        const std::shared_lock lock{mutex_};
        seen.assign(entries_.begin(), entries_.end());
    }
    std::vector<PolicySnapshot> all;
    all.reserve(seen.size());
    for (auto& [name, entry] : seen) {
        all.push_back({.name = std::move(name)});
        entry.read(entry.policy.get(), now, all.back());
    }
    return all;
}

}  // namespace resilience

#endif
