# SPDX-License-Identifier: MIT
include(CMakePackageConfigHelpers)

# Declares one component of the library: the target `resilience::<name>`, its public
# headers (each checked to compile alone), and what is installed for it.
#
#   resilience_component(<name>
#     HEADERS <paths below include/>...
#     [SOURCES <files>...]          a component without sources is an INTERFACE library
#     [LINK <targets>...]           seen by users
#     [PRIVATE_LINK <targets>...]   seen by the sources alone
#     [FIND <package>...])          what an installed static library must find again
function(resilience_component name)
  cmake_parse_arguments(arg "" "" "HEADERS;SOURCES;LINK;PRIVATE_LINK;FIND" ${ARGN})
  set(target resilience_${name})
  list(TRANSFORM arg_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/include/)

  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:resilience_settings> ${arg_PRIVATE_LINK})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_precompile_headers(${target} REUSE_FROM resilience_precompiled)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(resilience::${name} ALIAS ${target})
  target_compile_features(${target} ${scope} cxx_std_20)
  target_link_libraries(${target} ${scope} ${arg_LINK})
  target_sources(${target} ${scope} FILE_SET HEADERS
    BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${arg_HEADERS})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name}
    OUTPUT_NAME resilience_${name}
    VERIFY_INTERFACE_HEADER_SETS ON)

  install(TARGETS ${target} EXPORT resilience-${name} COMPONENT ${name}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${name}
    FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${name})
  install(EXPORT resilience-${name} NAMESPACE resilience:: COMPONENT ${name}
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/resilience)

  # The installed config loads the components that this one links before itself.
  set(needs ${arg_LINK} ${arg_PRIVATE_LINK})
  list(FILTER needs INCLUDE REGEX "^resilience::")
  list(TRANSFORM needs REPLACE "^resilience::" "")
  set_property(GLOBAL APPEND PROPERTY RESILIENCE_COMPONENTS ${name})
  set_property(GLOBAL APPEND PROPERTY RESILIENCE_HEADERS ${arg_HEADERS})
  set_property(GLOBAL PROPERTY RESILIENCE_${name}_NEEDS "${needs}")
  set_property(GLOBAL PROPERTY RESILIENCE_${name}_FIND "${arg_FIND}")
endfunction()

# Declares a header that is parsed once for all targets which say REUSE_FROM <name>. Those are libraries,
# or programs if it is declared with PROGRAMS: code for either is laid out differently.
#
#   resilience_precompiled_header(<name> HEADER <file> LINK <targets>... [PROGRAMS])
function(resilience_precompiled_header name)
  cmake_parse_arguments(arg "PROGRAMS" "HEADER" "LINK" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp CONTENT "")
  add_library(${name} OBJECT ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE resilience_settings ${arg_LINK})
  target_precompile_headers(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${arg_HEADER})
  if(arg_PROGRAMS)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${name} PRIVATE -fPIE)
  endif()
endfunction()

# Writes and installs the package config, which loads only the components asked for.
function(resilience_install_package)
  # A header that no component declares would be missing from every installation.
  get_property(declared GLOBAL PROPERTY RESILIENCE_HEADERS)
  file(GLOB_RECURSE undeclared CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.hpp)
  list(REMOVE_ITEM undeclared ${declared})
  if(undeclared)
    message(FATAL_ERROR "no component declares: ${undeclared}")
  endif()

  get_property(components GLOBAL PROPERTY RESILIENCE_COMPONENTS)
  set(RESILIENCE_COMPONENT_TABLE "")
  foreach(name IN LISTS components)
    get_property(needs GLOBAL PROPERTY RESILIENCE_${name}_NEEDS)
    get_property(find GLOBAL PROPERTY RESILIENCE_${name}_FIND)
    string(APPEND RESILIENCE_COMPONENT_TABLE
      "set(_resilience_${name}_needs \"${needs}\")\nset(_resilience_${name}_find \"${find}\")\n")
  endforeach()
  set(destination ${CMAKE_INSTALL_LIBDIR}/cmake/resilience)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/resilience-config.cmake.in
    ${PROJECT_BINARY_DIR}/resilience-config.cmake INSTALL_DESTINATION ${destination})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/resilience-config-version.cmake
    COMPATIBILITY SameMinorVersion)
  install(FILES
    ${PROJECT_BINARY_DIR}/resilience-config.cmake
    ${PROJECT_BINARY_DIR}/resilience-config-version.cmake
    ${PROJECT_SOURCE_DIR}/cmake/FindHiredis.cmake
    ${PROJECT_SOURCE_DIR}/cmake/FindRdKafka.cmake
    DESTINATION ${destination} COMPONENT core)
endfunction()
