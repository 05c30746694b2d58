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
    -fsanitize=${RESILIENCE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
    # Clang 14 cannot compile coroutines with this check.
    $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function>)
  target_link_options(resilience_settings INTERFACE -fsanitize=${RESILIENCE_SANITIZE})
  if(RESILIENCE_SANITIZE MATCHES thread)
    # Asio's fences are not understood by the thread sanitizer; g++ says so as a warning.
    target_compile_options(resilience_settings INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    # Clang's runtimes have an operator new of their own, which goes before that of a test that counts
    # allocations unless they are shared, or linked after it.
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-runtime-dir
      OUTPUT_VARIABLE runtimes OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    if(RESILIENCE_SANITIZE MATCHES address)
      target_link_options(resilience_settings INTERFACE -shared-libasan -Wl,-rpath,${runtimes})
    elseif(RESILIENCE_SANITIZE MATCHES thread)
      target_link_options(resilience_settings INTERFACE -fno-sanitize-link-runtime -Wl,--export-dynamic)
      target_link_libraries(resilience_settings INTERFACE
        -Wl,--whole-archive,${runtimes}/libclang_rt.tsan-${CMAKE_SYSTEM_PROCESSOR}.a,--no-whole-archive
        ${runtimes}/libclang_rt.tsan_cxx-${CMAKE_SYSTEM_PROCESSOR}.a rt m dl resolv)
    endif()
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
