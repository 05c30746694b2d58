// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_E2E_DELETE_RECORDS_HPP
#define RESILIENCE_TESTS_E2E_DELETE_RECORDS_HPP

#include <string>

namespace resilience::e2e {

/// Removes all records of a topic's first partition, as its retention would.
/// @throws std::runtime_error The broker does not do it.
void delete_records(const std::string& brokers, const std::string& topic);

}  // namespace resilience::e2e

#endif
