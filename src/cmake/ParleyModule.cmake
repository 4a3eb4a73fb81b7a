# parley_module(<name> SOURCES … [USES modules…] [LIBS libraries…])
# One static library per module: its public headers are include/parley/<name>/, its private ones stay in src/<name>/ and no other module sees them.
function(parley_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LIBS" ${ARGN})
  add_library(parley_${name} STATIC ${arg_SOURCES})
  add_library(parley::${name} ALIAS parley_${name})
  target_include_directories(parley_${name} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  list(TRANSFORM arg_USES PREPEND parley::)
  target_link_libraries(parley_${name} PUBLIC ${arg_USES} PRIVATE ${arg_LIBS})
  parley_use_pch(parley_${name})
endfunction()

# One precompiled header (std and asio) for all modules and tests.
function(parley_use_pch target)
  if(NOT target STREQUAL "parley_base")
    target_precompile_headers(${target} REUSE_FROM parley_base)
  endif()
endfunction()

# parley_test(<name> SOURCES … LIBS …): a GoogleTest binary, one ctest entry per test.
function(parley_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${arg_LIBS} parley::base GTest::gmock GTest::gtest_main)
  parley_use_pch(${name})
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60)
endfunction()
