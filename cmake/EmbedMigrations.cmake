# SPDX-License-Identifier: MIT
# Writes a source file that holds the numbered SQL files of migrations/<dialect>/ with their
# SHA-256 checksums, so that programs carry their schema.
#
#   embed_migrations(<dialect> <function> <output variable>)
function(embed_migrations dialect function output)
  set(folder ${PROJECT_SOURCE_DIR}/migrations/${dialect})
  file(GLOB ups CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*.up.sql)
  list(SORT ups)
  set(entries "")
  foreach(up IN LISTS ups)
    string(REGEX MATCH "^([0-9]+)_(.*)\\.up\\.sql$" matched ${up})
    set(version ${CMAKE_MATCH_1})
    set(name ${CMAKE_MATCH_2})
    string(REGEX REPLACE "^0+" "" version ${version})
    set(down ${version})
    string(REPLACE ".up.sql" ".down.sql" down ${up})
    file(READ ${folder}/${up} up_sql)
    file(READ ${folder}/${down} down_sql)
    file(SHA256 ${folder}/${up} checksum)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${folder}/${up} ${folder}/${down})
    string(APPEND entries
      "    {${version}, \"${name}\", R\"sql(${up_sql})sql\", R\"sql(${down_sql})sql\", \"${checksum}\"},\n")
  endforeach()
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${dialect}_migrations.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT
"// Generated from migrations/${dialect}/.
#include <modules/migrations/migration.hpp>

namespace resilience::modules::migrations {
namespace {
constexpr Migration all[] = {
${entries}};
}  // namespace

std::span<const Migration> ${function}() noexcept { return all; }

}  // namespace resilience::modules::migrations
")
  set(${output} ${file} PARENT_SCOPE)
endfunction()
