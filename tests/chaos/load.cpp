// SPDX-License-Identifier: MIT
#include "load.hpp"

#include <boost/json/object.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace resilience::e2e {

Load::Load(const Stack& stack, int clients) : port_(stack.port()) {
    for (int i = 0; i < clients; ++i) clients_.emplace_back([this, i] { run(i); });
}

Load::~Load() { stop(); }

void Load::stop() {
    stopping_ = true;
    for (auto& client : clients_) {
        if (client.joinable()) client.join();
    }
}

std::vector<std::string> Load::created() const {
    const std::lock_guard lock(mutex_);
    return created_;
}

void Load::run(int client) {
    const HttpClient http{port_, std::chrono::seconds{5}};
    for (int number = 0; !stopping_; ++number) {
        const auto email =
            "c" + std::to_string(client) + "n" + std::to_string(number) + "@example.com";
        const auto body = [&email](int version) {
            return R"({"email":")" + email + R"(","name":")" + std::to_string(version) +
                   R"("})";
        };
        const auto reply = http.post("/v1/users", body(0));
        if (reply.status != 201) {
            pause_between_looks();
            continue;
        }
        ++answered_;
        const std::string id(reply.json().at("id").as_string());
        {
            const std::lock_guard lock(mutex_);
            created_.push_back(id);
        }
        for (int version = 1; version <= 3 && !stopping_; ++version) {
            if (http.call("PUT", "/v1/users/" + id, body(version)).status == 200)
                ++answered_;
        }
    }
}

Findings examine(const Stack& stack) {
    Findings findings;
    std::map<std::string, std::vector<std::string>> written;
    std::set<std::string> ids;
    for (const auto& row :
         stack.sql("SELECT partition_key, id FROM outbox_events ORDER BY seq")) {
        const auto bar = row.find('|');
        written[row.substr(0, bar)].push_back(row.substr(bar + 1));
        ids.insert(row.substr(bar + 1));
    }
    findings.rows = ids.size();

    std::map<std::string, std::vector<std::string>> arrived;
    std::set<std::string> seen;
    for (const auto& message : stack.delivered()) {
        if (!seen.insert(message.id).second) {
            ++findings.duplicates;
            continue;
        }
        if (!ids.contains(message.id)) ++findings.unknown;
        arrived[message.key].push_back(message.id);
    }
    findings.lost = static_cast<std::size_t>(
        std::ranges::count_if(ids, [&seen](const auto& id) { return !seen.contains(id); })
    );
    for (const auto& [key, order] : written) {
        if (arrived[key] != order) ++findings.inversions;
    }
    findings.users_without_event = stack
                                       .sql(
                                           "SELECT u.id FROM users u WHERE NOT EXISTS "
                                           "(SELECT 1 FROM outbox_events e "
                                           "WHERE e.aggregate_id = CAST(u.id AS text) "
                                           "AND e.event_type = 'user.created')"
                                       )
                                       .size();
    findings.events_without_user = stack
                                       .sql(
                                           "SELECT e.id FROM outbox_events e WHERE NOT "
                                           "EXISTS (SELECT 1 FROM users u "
                                           "WHERE e.aggregate_id = CAST(u.id AS text))"
                                       )
                                       .size();
    return findings;
}

bool drained(const Stack& stack, std::chrono::milliseconds limit) {
    return eventually(
        [&stack] {
            return stack
                .sql("SELECT id FROM outbox_events WHERE status <> 'SENT' LIMIT 1")
                .empty();
        },
        limit
    );
}

}  // namespace resilience::e2e
