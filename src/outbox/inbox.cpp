// SPDX-License-Identifier: MIT
#include <resilience/inbox.hpp>

#include <resilience/detail/utf8.hpp>

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace resilience {
namespace {

constexpr std::size_t longest_name = 255;
constexpr std::chrono::hours longest_age{24 * 365 * 100};
constexpr std::int64_t most_rows = 1'000'000;

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= longest_name && detail::is_storable_text(text);
}

}  // namespace

std::optional<std::string_view> event_id_of(std::span<const Header> headers) noexcept {
    std::optional<std::string_view> id;
    for (const auto& [name, value] : headers) {
        if (name != "ce_id") continue;
        if (id) return std::nullopt;
        id = value;
    }
    return id;
}

Inbox::Inbox(InboxOptions options) : options_(std::move(options)) {
    if (!is_name(options_.consumer)) {
        throw std::invalid_argument(
            "consumer: must be 1 to 255 bytes of UTF-8 without NUL"
        );
    }
}

Result<InboxRow> Inbox::prepare(std::string event_id) const {
    if (!is_name(event_id)) {
        return fail(
            Errc::invalid_request, "event_id: must be 1 to 255 bytes of UTF-8 without NUL"
        );
    }
    return InboxRow{options_.consumer, std::move(event_id)};
}

Result<InboxPruning> Inbox::prepare(
    std::chrono::milliseconds older_than, std::int64_t limit
) const {
    if (older_than.count() < 0 || older_than > longest_age) {
        return fail(Errc::invalid_request, "older_than: must be 0 to 100 years");
    }
    if (limit < 1 || limit > most_rows) {
        return fail(Errc::invalid_request, "limit: must be 1 to 1,000,000");
    }
    return InboxPruning{options_.consumer, older_than, limit};
}

}  // namespace resilience
