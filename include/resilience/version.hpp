// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_VERSION_HPP
#define RESILIENCE_VERSION_HPP

/// The version as text; the build system and the package read it from here.
#define RESILIENCE_VERSION_STRING "0.1.0"

#endif
