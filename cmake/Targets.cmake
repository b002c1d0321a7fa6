# The few kinds of target this project is made of.

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
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test-bin)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST)
endfunction()

# A libFuzzer target over one parser; its seeds are tests/golden/<name>/.
function(imgmount_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT IMGMOUNT_FUZZ)
    return()
  endif()
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()

# Micro-benchmarks; built when named, or all of them by `benchmarks`.
add_custom_target(benchmarks)
function(imgmount_bench name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bench-bin)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} benchmark::benchmark)
  add_dependencies(benchmarks ${name})
endfunction()

# All tools, without the tests.
add_custom_target(tools)

# A tool `name` whose int <Entry>(args, io) is in library `lib`, declared in
# `header`: its main() is generated, one line, so that tests can call the rest.
function(imgmount_main name)
  cmake_parse_arguments(ARG "" "HEADER;ENTRY;LIBRARY" "" ${ARGN})
  set(HEADER ${ARG_HEADER})
  set(ENTRY ${ARG_ENTRY})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/main.cc.in ${name}.cc @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LIBRARY})
  add_dependencies(tools ${name})
  install(TARGETS ${name} RUNTIME)
endfunction()
