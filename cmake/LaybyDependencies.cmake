# SPDX-License-Identifier: Apache-2.0
#
# Third-party libraries, each found once. llhttp comes as a library where the
# distribution has one, else from the C sources that Debian 12 ships in node-llhttp.
#
# With LAYBY_OWN_CURL, libcurl comes from scripts/static-curl, because Debian's libcurl needs 27
# libraries that Layby has no use for. With LAYBY_STATIC, only archives are used, that libcurl too.
# spdlog and fmt have no archive and are then compiled from their headers.

if(LAYBY_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
if(LAYBY_STATIC OR LAYBY_OWN_CURL)
  find_package(CURL 7.88 REQUIRED CONFIG PATHS ${LAYBY_CURL} NO_DEFAULT_PATH
    NO_CMAKE_FIND_ROOT_PATH)
else()
  find_package(CURL 7.88 REQUIRED)
endif()
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_path(TOMLPLUSPLUS_INCLUDE toml++/toml.h REQUIRED)
add_library(layby_tomlplusplus INTERFACE)
target_include_directories(layby_tomlplusplus SYSTEM INTERFACE ${TOMLPLUSPLUS_INCLUDE})
find_package(spdlog REQUIRED)
if(LAYBY_STATIC)
  # Users of spdlog and fmt get the same definitions as with the shared libraries.
  add_library(layby_spdlog STATIC ${CMAKE_SOURCE_DIR}/cmake/spdlog_and_fmt.cpp)
  foreach(library spdlog::spdlog fmt::fmt)
    target_compile_definitions(layby_spdlog
      PUBLIC $<TARGET_PROPERTY:${library},INTERFACE_COMPILE_DEFINITIONS>)
  endforeach()
  target_compile_options(layby_spdlog PRIVATE -w)
else()
  add_library(layby_spdlog ALIAS spdlog::spdlog)
endif()
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET libevent_core libevent_pthreads)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)

pkg_check_modules(LLHTTP IMPORTED_TARGET libllhttp)
if(LLHTTP_FOUND)
  add_library(layby_llhttp ALIAS PkgConfig::LLHTTP)
else()
  find_path(LLHTTP_INCLUDE llhttp.h PATHS /usr/share/include/llhttp REQUIRED)
  find_path(LLHTTP_SOURCE llhttp.c PATHS /usr/share/llhttp REQUIRED)
  add_library(layby_llhttp STATIC
    ${LLHTTP_SOURCE}/llhttp.c ${LLHTTP_SOURCE}/api.c ${LLHTTP_SOURCE}/http.c)
  target_include_directories(layby_llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})
  # Without strict mode, llhttp accepts a space in a header's name.
  target_compile_definitions(layby_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(layby_llhttp PRIVATE -w)
endif()
