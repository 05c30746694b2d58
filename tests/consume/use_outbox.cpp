// SPDX-License-Identifier: MIT
#include <resilience/outbox.hpp>

int main() {
    const resilience::Outbox outbox;
    const auto row = outbox.prepare(
        {.aggregate_type = "user",
         .aggregate_id = "1",
         .event_type = "user.created",
         .event_data = "{}"}
    );
    return row ? 0 : 1;
}
