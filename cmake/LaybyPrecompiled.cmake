# SPDX-License-Identifier: Apache-2.0
#
# LAYBY_PRECOMPILE parses the common headers once for all modules and once for all tests,
# which saves a fifth of a build with sanitizers. A precompiled header hides a missing include. So
# the other builds have no precompiled headers, and scripts/check-headers accepts only a build
# without precompiled headers.

option(LAYBY_PRECOMPILE "Parse the common headers only once (clang)" OFF)

# layby_precompiled(NAME COMMON library... HEADERS header...): declares precompiled headers
# for layby_precompile(). COMMON names the libraries whose definitions all users share.
function(layby_precompiled name)
  cmake_parse_arguments(arg "" "" "COMMON;HEADERS" ${ARGN})
  if(LAYBY_PRECOMPILE)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}.cpp "")
    add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cpp)
    target_link_libraries(${name} PRIVATE ${arg_COMMON})
    # No timestamp: ccache needs the same file from the same headers.
    target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
  endif()
endfunction()

# layby_precompile(TARGET NAME): TARGET uses the precompiled headers NAME.
function(layby_precompile target name)
  if(LAYBY_PRECOMPILE)
    target_precompile_headers(${target} REUSE_FROM ${name})
  endif()
endfunction()

set(LAYBY_COMMON_HEADERS <algorithm> <array> <atomic> <cerrno> <chrono> <cstddef> <cstdint> <deque>
    <functional> <map> <memory> <mutex> <optional> <set> <sstream> <string> <string_view> <utility>
    <variant> <vector> <spdlog/spdlog.h>)
layby_precompiled(layby_precompiled COMMON layby_spdlog HEADERS ${LAYBY_COMMON_HEADERS})
