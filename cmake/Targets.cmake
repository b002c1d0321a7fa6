# SPDX-License-Identifier: Apache-2.0
# The few kinds of target this project is made of.
include(GNUInstallDirs)

# A static library of one folder. Headers are included by their path from the
# top of the tree, so that an #include line shows which folder it reaches into.
function(imgmount_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
endfunction()

# A GoogleTest binary; every TEST in it becomes one ctest test.
function(imgmount_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  # Most of the time of a build goes into tests, and their own speed matters
  # little.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST)
endfunction()

# All fuzz targets and what writes their seeds.
add_custom_target(fuzzers)

# A libFuzzer target over one parser; its seeds are tests/golden/<name>/, where
# findings are kept too, and those that tests/fuzz writes. Every build has
# <name>_replay, which runs it over them all without a fuzzer.
function(imgmount_fuzz name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name}_replay ${ARG_SOURCES}
                 ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  set_target_properties(${name}_replay PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
  target_link_libraries(${name}_replay PRIVATE ${ARG_DEPS})
  set(seeds ${CMAKE_BINARY_DIR}/fuzz-seeds/${name})
  file(MAKE_DIRECTORY ${seeds})
  if(EXISTS ${PROJECT_SOURCE_DIR}/tests/golden/${name})
    list(APPEND seeds ${PROJECT_SOURCE_DIR}/tests/golden/${name})
  endif()
  add_test(NAME fuzz.${name} COMMAND ${name}_replay ${seeds})
  set_tests_properties(fuzz.${name} PROPERTIES
    LABELS fuzz FIXTURES_REQUIRED fuzz_seeds)
  if(NOT IMGMOUNT_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
endfunction()

# Micro-benchmarks; built when named, or all of them by `benchmarks`.
add_custom_target(benchmarks)
function(imgmount_bench name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench-bin)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark)
  add_dependencies(benchmarks ${name})
endfunction()

# All tools, without the tests.
add_custom_target(tools)

# The tool's manual page, which it writes itself from its declarations.
add_custom_target(manuals ALL)
function(imgmount_man_page name)
  set(page ${CMAKE_BINARY_DIR}/man/${name}.1)
  add_custom_command(OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
    COMMAND ${name} --generate man > ${page}
    DEPENDS ${name} VERBATIM)
  add_custom_target(${name}_manual DEPENDS ${page})
  add_dependencies(manuals ${name}_manual)
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endfunction()

# A tool `name` whose int <Entry>(args, io) is in library `lib`, declared in
# `header`: its main() is generated, one line, so that tests can call the rest.
function(imgmount_main name)
  cmake_parse_arguments(ARG "" "HEADER;ENTRY;LIBRARY" "" ${ARGN})
  set(HEADER ${ARG_HEADER})
  set(ENTRY ${ARG_ENTRY})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/main.cc.in ${name}_main.cc @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}_main.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARY})
  add_dependencies(tools ${name})
  install(TARGETS ${name} RUNTIME)
  imgmount_man_page(${name})
endfunction()
