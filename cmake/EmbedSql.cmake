# SPDX-License-Identifier: MIT
# Writes a source file that holds the SQL files of a folder as constants named after them, so that a
# statement is read and changed as SQL. Comments stay behind. Where a statement says `@name@` it gets
# the file fragments/<name>.sql.
#
#   embed_sql(<folder> <header> <namespace> <output variable>)
#
# The header declares each constant: `extern const char* const <name>;`.
function(embed_sql folder header namespace output)
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  file(GLOB fragments CONFIGURE_DEPENDS ${folder}/fragments/*.sql)
  file(GLOB statements CONFIGURE_DEPENDS ${folder}/*.sql)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${fragments} ${statements})

  set(constants "")
  foreach(statement IN LISTS statements)
    embed_sql_read(${statement} text)
    foreach(fragment IN LISTS fragments)
      embed_sql_read(${fragment} part)
      get_filename_component(name ${fragment} NAME_WE)
      string(REPLACE "@${name}@" "${part}" text "${text}")
    endforeach()
    if(text MATCHES "@[a-z_]+@")
      message(FATAL_ERROR "${statement}: there is no fragment ${CMAKE_MATCH_0}")
    endif()
    get_filename_component(name ${statement} NAME_WE)
    string(APPEND constants "const char* const ${name} = R\"sql(${text})sql\";\n")
  endforeach()
  file(RELATIVE_PATH shown ${PROJECT_SOURCE_DIR} ${folder})
  get_filename_component(name ${header} NAME_WE)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT
"// Generated from ${shown}/.
#include \"${header}\"

namespace ${namespace} {

${constants}
}  // namespace ${namespace}
")
  set(${output} ${file} PARENT_SCOPE)
endfunction()

# Reads a file of SQL without its comments, blank lines and last line break.
function(embed_sql_read file variable)
  file(READ ${file} text)
  string(REGEX REPLACE "[ \t]*--[^\n]*" "" text "${text}")
  string(REGEX REPLACE "\n\n+" "\n" text "${text}")
  string(STRIP "${text}" text)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()
