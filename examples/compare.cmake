# SPDX-License-Identifier: MIT
# Runs PROGRAM and fails unless it prints exactly what the file EXPECTED holds.
execute_process(COMMAND ${PROGRAM} OUTPUT_VARIABLE printed ERROR_VARIABLE errors RESULT_VARIABLE status)
file(READ ${EXPECTED} expected)
if(NOT status EQUAL 0 OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "exit ${status}\n--- printed\n${printed}${errors}\n--- expected\n${expected}")
endif()
