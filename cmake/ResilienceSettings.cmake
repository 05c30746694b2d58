# SPDX-License-Identifier: MIT
# Settings of this project's own targets; a consumer of the library inherits none of them.

add_library(resilience_settings INTERFACE)
target_compile_features(resilience_settings INTERFACE cxx_std_20)
target_compile_options(resilience_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  # Options are aggregates made for designated initialisers.
  -Wno-missing-field-initializers -Werror
  # g++ 12 reports these inside Boost and libstdc++ once they are inlined with -O2.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow
    -Wno-stringop-overread -Wno-restrict -Wno-mismatched-new-delete>)
# Asio and Beast are header-only here; each erases what it can.
target_compile_definitions(resilience_settings INTERFACE
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)
if(RESILIENCE_SANITIZE)
  target_compile_options(resilience_settings INTERFACE
    -fsanitize=${RESILIENCE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(resilience_settings INTERFACE -fsanitize=${RESILIENCE_SANITIZE})
  if(RESILIENCE_SANITIZE MATCHES thread)
    # Asio's fences are not understood by the thread sanitizer; g++ says so as a warning.
    target_compile_options(resilience_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
endif()

find_program(RESILIENCE_CCACHE ccache)
if(RESILIENCE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths relative to the checkout, so that another checkout finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${RESILIENCE_CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
