// SPDX-License-Identifier: MIT
// Looks after an outbox that relay delivers exactly once: outbox verify | status | lag |
// audit | rebase | dlq list | dlq replay | lanes.
#include <modules/outbox_admin/program.hpp>

using namespace resilience::modules;

int main(int argc, char** argv) {
    return outbox_admin::run_program(argc, argv);
}
