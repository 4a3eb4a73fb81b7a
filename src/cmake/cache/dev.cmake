# Everyday build: optimised a little, asserts and fault points on.
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1" CACHE STRING "")
set(PARLEY_FAULT_POINTS ON CACHE BOOL "")
