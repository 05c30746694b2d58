// SPDX-License-Identifier: MIT
// What nearly every test of shells, adapters and daemons needs; parsed once.
#include "precompiled_core.hpp"

#include <boost/asio.hpp>
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>
