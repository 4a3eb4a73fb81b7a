# Build options and the flags that follow from them. Presets stand in src/cmake/cache/*.cmake.
option(PARLEY_TESTS "Build the tests" ON)
option(PARLEY_BENCH "Build the benchmarks and the load generator" ON)
option(PARLEY_FAULT_POINTS "Compile named fault points into the daemon (tests only, never in a release)" OFF)
option(PARLEY_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(PARLEY_LTO "Link-time optimisation" OFF)
option(PARLEY_WERROR "Warnings are errors" ON)
set(PARLEY_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(PARLEY_CCACHE ccache)
if(PARLEY_CCACHE)
  # Without these a precompiled header, or a clone in another folder, never hits.
  set(ccache_env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1)
  set(CMAKE_C_COMPILER_LAUNCHER env ${ccache_env} ${PARLEY_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER env ${ccache_env} ${PARLEY_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -fno-omit-frame-pointer
                    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -fdiagnostics-color=auto)
if(PARLEY_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these falsely inside inlined std::string and coroutine frames (GCC bugs 105329, 105562).
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-array-bounds -Wno-stringop-overread -Wno-free-nonheap-object -Wno-mismatched-new-delete)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
add_compile_definitions(BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
                        $<$<BOOL:${PARLEY_FAULT_POINTS}>:PARLEY_FAULT_POINTS=1>)

if(PARLEY_SANITIZE)
  add_compile_options(-fsanitize=${PARLEY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PARLEY_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND PARLEY_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=function)
  endif()
  if(PARLEY_SANITIZE MATCHES "thread")
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)  # TSan does not understand stand-alone fences
  endif()
endif()
if(PARLEY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(PARLEY_LTO)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
endif()

find_program(PARLEY_MOLD mold)
if(PARLEY_MOLD AND NOT PARLEY_LTO)
  add_link_options(-fuse-ld=mold)
endif()
