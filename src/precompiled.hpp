// SPDX-License-Identifier: MIT
// What nearly every compiled unit needs; parsed once.
#include <resilience/asio/initiate.hpp>
#include <resilience/asio/result.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
