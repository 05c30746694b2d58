// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_HPP
#define RESILIENCE_TESTS_CONTRACTS_CLAIM_SOURCE_HPP

#include "contracts/claim_source_claims.hpp"
#include "contracts/claim_source_fixture.hpp"
#include "contracts/claim_source_refusals.hpp"
#include "contracts/claim_source_settlements.hpp"
#include "contracts/claim_source_stale.hpp"

namespace contract {

/// The whole contract; call it in one test case of each implementation.
inline void check_claim_source(const MakeFixture& make) {
    SUBCASE("claim") { check_claims(make); }
    SUBCASE("settle") { check_settlements(make); }
    SUBCASE("reset_stale and depth") { check_stale_and_depth(make); }
    SUBCASE("refused rows") { check_refusals(make); }
    SUBCASE("refused rows and a relay") { check_relay_isolates(make); }
}

}  // namespace contract

#endif
