// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_HOST_CONFIG_HPP
#define RESILIENCE_HOST_CONFIG_HPP

#include "host/address.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::host {

/** The settings of a program: declared once, read once, shown by `--help`.

    A name in capitals (`DB_HOST`) is an environment variable; one with dashes (`--topic`)
    is a command-line option, also taken with one dash, its value after `=` or as the next
    argument. Each setting is bound to a variable of the caller, which holds the default
    before and the value after @ref parse, so it must outlive the parsing. A name declared
    twice, by two modules, gives both variables its value. An environment variable set to
    nothing counts as unset.

    @code
    host::Config config{"relay", "Publishes the outbox."};
    config.integer("RELAY_BATCH_SIZE", options.batch, 1, 10000, "Events claimed at once");
    if (auto code = config.read(argc, argv)) return *code;
    @endcode

    @par Thread safety
    None needed: used by `main` before anything runs.
*/
class Config {
public:
    using Environment = std::map<std::string, std::string, std::less<>>;

    Config(std::string program, std::string summary);

    /// Says what a text should have been, as in `not <this>`; empty when it is good.
    using Check = std::function<std::string(std::string_view)>;

    /// Takes UTF-8 text that passes `check`, if there is one.
    Config& string(
        std::string name, std::string& value, std::string description, Check check = {}
    );

    /// As @ref string; what is given is never shown. `--help` shows the default, which
    /// everybody can read in the program.
    Config& secret(std::string name, std::string& value, std::string description);

    /// Takes the name of a topic, see `is_topic_name`.
    Config& topic(std::string name, std::string& value, std::string description);

    /// Takes one of the words given.
    Config& choice(
        std::string name,
        std::string& value,
        std::vector<std::string> words,
        std::string description
    );

    Config& integer(
        std::string name,
        std::int64_t& value,
        std::int64_t least,
        std::int64_t most,
        std::string description
    );

    /// Takes a decimal number, such as `0.5`.
    Config& number(
        std::string name,
        double& value,
        double least,
        double most,
        std::string description
    );

    /// Takes `1`, `true`, `yes`, `on` and their opposites in any case.
    Config& boolean(std::string name, bool& value, std::string description);

    /// As @ref boolean; on the command line it stands without a value.
    Config& flag(std::string name, bool& value, std::string description) {
        return boolean(std::move(name), value, std::move(description));
    }

    /// Takes `500ms`, `5s`, `2m`, `1h`; a bare number is in `unit`.
    Config& duration(
        std::string name,
        std::chrono::milliseconds& value,
        std::chrono::milliseconds unit,
        std::chrono::milliseconds least,
        std::chrono::milliseconds most,
        std::string description
    );

    /// Takes `host:port`, `[::1]:port`, `:port` and `port`; what is missing keeps the
    /// default.
    Config& address(std::string name, Address& value, std::string description);

    /// Takes addresses separated by commas.
    Config& addresses(
        std::string name, std::vector<Address>& value, std::string description
    );

    /// Takes the next argument that is no option; one of `words` when there are any.
    Config& positional(
        std::string name,
        std::string& value,
        std::vector<std::string> words,
        std::string description
    );

    /// Says that no other program has variables of this prefix, such as `BUCKET_`.
    Config& owns(std::string prefix);

    /// Sets `flag` when a variable declared before is given a value.
    Config& implies(std::string_view name, bool& flag);

    /** Names a variable of another program, which here is not listed and does nothing.

        @param reason Ends the note "`name` is not used here: ".
    */
    Config& not_used(std::string name, std::string reason);

    /// A sentence for each variable that was given a value and is not used, for the log.
    const std::vector<std::string>& notes() const noexcept { return notes_; }

    /// Whether the environment or the command line gave a value.
    bool is_set(std::string_view name) const;

    /// What @ref parse found.
    struct Outcome {
        /// Empty: go on. Else end with this code: 0 after `--help`, 2 after a mistake.
        std::optional<int> exit_code = {};
        /// For standard output (the help) or, with code 2, one sentence for standard
        /// error that names the setting.
        std::string text = {};
    };

    /** Reads the settings. Pure.

        A variable that begins with an owned prefix and was not declared is refused, and
       so is one that is a slip of the pen away from a declared name: a misspelt limit
       that is silently ignored is worse than a start that fails.

        @param arguments Without the program's name.
    */
    Outcome parse(
        const std::vector<std::string>& arguments, const Environment& environment
    );

    /// Reads the process's own arguments and environment, prints what is to be printed,
    /// and returns the exit code when the program must end.
    std::optional<int> read(int argc, const char* const* argv);

    /// The text of `--help`.
    std::string help() const;

private:
    // Takes the text, or says what it should have been.
    using Assign = std::function<std::string(std::string_view)>;

    struct Setting {
        std::string name;
        std::string description;
        std::string default_text;
        bool is_flag = false;
        bool is_secret = false;
        std::vector<Assign> assign;
    };

    Config& declare(
        std::string name, std::string description, std::string default_text, Assign assign
    );
    Setting* find(std::string_view name);
    // Each returns the sentence about the first mistake.
    std::optional<std::string> assign(const Setting& setting, std::string_view text);
    std::optional<std::string> read_arguments(const std::vector<std::string>& arguments);
    std::optional<std::string> read_environment(const Environment& environment);
    std::optional<std::string> find_slip(std::string_view name) const;

    std::string program_;
    std::string summary_;
    std::vector<Setting> settings_;
    std::vector<Setting> positionals_;
    std::vector<std::string> owned_prefixes_;
    std::map<std::string, std::string, std::less<>> not_used_;
    std::vector<std::string> notes_;
    std::set<std::string, std::less<>> set_;
};

/// Reads `500ms`, `5s`, `2m`, `1h`, or a bare number in `unit`; empty when it is none or
/// too large.
std::optional<std::chrono::milliseconds> parse_duration(
    std::string_view text, std::chrono::milliseconds unit
);

/// Whether the text can be the name or the IPv4 address of a host.
bool is_host_name(std::string_view text);

/// Reads the forms that @ref Config::address takes; empty when it is none of them.
std::optional<Address> parse_address(std::string_view text, const Address& defaults);

}  // namespace resilience::host

#endif
