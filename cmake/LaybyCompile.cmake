# SPDX-License-Identifier: Apache-2.0
#
# Compiler flags for all targets, and layby_module(), which declares one module.

include(CheckCXXCompilerFlag)

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of an overlap in "literal" + std::string that doesn't exist (GCC bug 105651).
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
add_compile_definitions(_FILE_OFFSET_BITS=64)

# layby_harden() turns on the compiler's protections: an overflow or an uninitialized variable ends
# the program, or does no harm. scripts/check-hardening checks that every file is compiled with these
# protections.
function(layby_harden)
  # glibc 2.34 and later know level 3, which also checks buffers whose size is known only at run
  # time.
  set(fortify 2)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
    set(fortify 3)
  endif()
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify})
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
  # Clang only warns of a flag that it doesn't use on the target processor.
  set(CMAKE_REQUIRED_FLAGS -Werror)
  foreach(flag -fstack-clash-protection -ftrivial-auto-var-init=zero)
    string(MAKE_C_IDENTIFIER "LAYBY_HAS${flag}" known)
    check_cxx_compiler_flag(${flag} ${known})
    if(${known})
      add_compile_options(${flag})
    endif()
  endforeach()
endfunction()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-fstack-protector-strong -ffunction-sections -fdata-sections)
  layby_harden()
  add_link_options(-Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()

if(LAYBY_STATIC)
  # No other program shares the pages of a static program, so a small size matters more than speed.
  # The kernel moves the bytes of a pull and OpenSSL hashes them; -Os affects neither.
  add_compile_options(-Os)
  # The program still loads at a random address, because Debian's compilers and archives are
  # position-independent. Its relocations are packed to save space. The linker warns of each
  # function that may load a library at run time, such as getaddrinfo; src/main/main.cpp keeps these
  # functions from loading a library.
  add_link_options(-static-pie -s)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_link_options(-Wl,-z,pack-relative-relocs)
  else()
    add_link_options(-Wl,--pack-dyn-relocs=relr)  # The same option in lld.
  endif()
endif()

if(NOT CMAKE_BUILD_TYPE STREQUAL "Release")
  # lld links the hundred test programs in a quarter of the time.
  find_program(LAYBY_LLD ld.lld)
  if(LAYBY_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

if(LAYBY_SANITIZE)
  # Builds with sanitizers also run the asserts, because both look for our own mistakes.
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
  add_compile_options(-fsanitize=${LAYBY_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${LAYBY_SANITIZE})
  add_compile_definitions(LAYBY_SANITIZED $<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
endif()

# layby_unity(TARGET): compiles the files of TARGET in groups, so that common headers are parsed once
# a group. This takes a third of the time of single files. The names in the unnamed namespaces of a
# module must differ. A group hides a missing include, so the dev and release presets compile each
# file alone.
option(LAYBY_UNITY "Compile the files of a module in groups" OFF)
function(layby_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 10)
  # In a group, both warnings are also given for names in the unnamed namespaces of other files.
  target_compile_options(${target} PRIVATE -Wno-shadow
    $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endfunction()

# layby_module(NAME [PUBLIC lib...] [PRIVATE lib...])
#
# Every .cpp of src/NAME becomes library layby_NAME, also called layby::NAME. Its
# public headers are in include/layby/NAME. PUBLIC and PRIVATE name the modules
# (layby::x) and third-party targets that NAME depends on.
function(layby_module name)
  cmake_parse_arguments(arg "" "" "PUBLIC;PRIVATE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(layby_${name} STATIC ${sources})
  add_library(layby::${name} ALIAS layby_${name})
  target_include_directories(layby_${name}
    PUBLIC ${CMAKE_SOURCE_DIR}/include
    PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(layby_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  layby_precompile(layby_${name} layby_precompiled)
  if(LAYBY_UNITY)
    layby_unity(layby_${name})
  endif()
endfunction()
