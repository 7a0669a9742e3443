# Targets of one shape: a library per folder of src/, its tests beside it, programs in apps/.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # base_dir lets a second build folder, or a second checkout, share the cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
endif()

# A debug build links some thirty programs of fifty megabytes; lld does it in a seventh of the time.
# What is shipped is linked by the compiler's own linker.
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM AND CMAKE_BUILD_TYPE STREQUAL "Debug" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_link_options(-fuse-ld=lld)
endif()

add_library(latchkey_warnings INTERFACE)
target_compile_options(latchkey_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Werror)
target_compile_options(latchkey_warnings INTERFACE -fstack-protector-strong)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 takes Asio's frame allocator for a mismatched pair when it inlines a coroutine at -O2
  # (the memory comes from aligned_alloc and goes to free, as it should).
  target_compile_options(latchkey_warnings INTERFACE -Wno-mismatched-new-delete)
endif()
if(CMAKE_BUILD_TYPE MATCHES "Rel")
  target_compile_definitions(latchkey_warnings INTERFACE _FORTIFY_SOURCE=2)
endif()
target_include_directories(latchkey_warnings INTERFACE ${CMAKE_SOURCE_DIR}/src)

# A folder appears with the work that needs it.
function(latchkey_add_folder folder)
  if(EXISTS ${CMAKE_SOURCE_DIR}/${folder}/CMakeLists.txt)
    add_subdirectory(${folder})
  endif()
endfunction()

# latchkey_library(NAME SOURCES a.cc ... DEPS base ... LIBS OpenSSL::Crypto ...)
# DEPS are folders of src/. Makes the target latchkey_NAME.
function(latchkey_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  add_library(latchkey_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(latchkey_${name} PUBLIC ${ARG_LIBS} PRIVATE latchkey_warnings ${ARG_PRIVATE_LIBS})
  target_include_directories(latchkey_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(latchkey_${name} PUBLIC latchkey_${dep})
  endforeach()
endfunction()

# latchkey_test(NAME SOURCES a_test.cc ... DEPS pki ... LIBS ...): one GoogleTest program, one ctest
# entry per test case. LATCHKEY_SOURCE_DIR tells tests where data is.
function(latchkey_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  add_executable(${name}_test ${ARG_SOURCES})
  target_compile_definitions(${name}_test PRIVATE LATCHKEY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE latchkey_warnings GTest::gtest GTest::gmock GTest::gtest_main ${ARG_LIBS})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name}_test PRIVATE latchkey_${dep})
  endforeach()
  gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 900)
endfunction()

# Every program and nothing else: what `make` and `make demo` build.
add_custom_target(programs)

# latchkey_program(NAME SOURCES ... DEPS ... LIBS ...): goes to bin/NAME.
function(latchkey_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_definitions(${name} PRIVATE LATCHKEY_VERSION="${PROJECT_VERSION}")
  target_link_libraries(${name} PRIVATE latchkey_warnings ${ARG_LIBS})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(${name} PRIVATE latchkey_${dep})
  endforeach()
  # What is shipped is resolved at start, and its tables are read-only from then on.
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    target_link_options(${name} PRIVATE -Wl,-z,relro,-z,now)
  endif()
  add_dependencies(programs ${name})
  install(TARGETS ${name} RUNTIME)
endfunction()
