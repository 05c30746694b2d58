# SPDX-License-Identifier: MIT
find_package(doctest REQUIRED)
include(doctest)

add_library(resilience_doctest_main OBJECT
  ${PROJECT_SOURCE_DIR}/tests/doctest_main.cpp ${PROJECT_SOURCE_DIR}/tests/source_path.cpp)
target_compile_definitions(resilience_doctest_main PRIVATE SOURCE_FOLDER="${PROJECT_SOURCE_DIR}")
target_link_libraries(resilience_doctest_main PUBLIC doctest::doctest resilience_settings)
if(RESILIENCE_SANITIZE MATCHES thread)
  target_sources(resilience_doctest_main PRIVATE ${PROJECT_SOURCE_DIR}/tests/c11_threads.cpp)
endif()
add_custom_target(unit_tests)
add_custom_target(thread_tests)
add_custom_target(server_tests)

# Declares a program of doctest cases; each case is one CTest test with the given label.
#
#   resilience_test(<name> LABEL unit|integration|e2e|crash|chaos SOURCES <files>... LINK <targets>...
#                   [TIMEOUT <seconds>] [DEPENDS <targets>...] [PRECOMPILED <target>] [THREADS])
#
# PRECOMPILED names the header that is parsed for it; resilience_test_precompiled if nothing is said. THREADS
# tells of a unit test that threads meet in it: the target thread_tests, of which the thread sanitizer is to
# see all, is made of these.
function(resilience_test name)
  cmake_parse_arguments(arg "THREADS" "LABEL;TIMEOUT;PRECOMPILED" "SOURCES;LINK;DEPENDS" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_PRECOMPILED)
    set(arg_PRECOMPILED resilience_test_precompiled)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_precompile_headers(${name} REUSE_FROM ${arg_PRECOMPILED})
  target_link_libraries(${name} PRIVATE resilience_doctest_main resilience_settings ${arg_LINK})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR})
  if(arg_DEPENDS)
    add_dependencies(${name} ${arg_DEPENDS})
  endif()
  if(arg_LABEL STREQUAL unit)
    add_dependencies(unit_tests ${name})
    if(arg_THREADS)
      add_dependencies(thread_tests ${name})
    endif()
  else()
    add_dependencies(server_tests ${name})
    # The servers are shared, and two crash tests at once would blur each other's findings.
    set(serial RUN_SERIAL TRUE)
  endif()
  doctest_discover_tests(${name} TEST_PREFIX "${name}: "
    PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT} ${serial})
endfunction()
