# SPDX-License-Identifier: MIT
# Installs the build tree to a fresh prefix, then builds and runs the project beside this file.
#   cmake -DBUILD=<build tree> -DWORK=<scratch folder> -P run.cmake
cmake_minimum_required(VERSION 3.25)
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/prefix)

# Whatever the systemd units name below /usr/local is installed.
file(GLOB units ${CMAKE_CURRENT_LIST_DIR}/../../deploy/systemd/*.service)
foreach(unit ${units})
  file(STRINGS ${unit} lines REGEX "=(file:)?/usr/local/")
  foreach(line ${lines})
    string(REGEX REPLACE ".*/usr/local/([^ ]*).*" "\\1" path "${line}")
    if(NOT EXISTS ${WORK}/prefix/${path})
      message(FATAL_ERROR "${unit} names ${path}, which is not installed")
    endif()
  endforeach()
endforeach()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G Ninja
    -DCMAKE_PREFIX_PATH=${WORK}/prefix -DCMAKE_CXX_FLAGS=${FLAGS})
run(${CMAKE_COMMAND} --build ${WORK}/build)
