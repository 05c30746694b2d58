// SPDX-License-Identifier: MIT
// Looks after an outbox that relay delivers exactly once: outbox verify | status | lag |
// audit | rebase | dlq list | dlq replay | unpark | lanes.
//
// Exit codes: 0 nothing is wrong, 1 something is, 2 usage, 3 it could not be done.
#include <modules/outbox_admin/program.hpp>

int main(int argc, char** argv) {
    return resilience::modules::outbox_admin::run_program(argc, argv);
}
