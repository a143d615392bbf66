# SPDX-License-Identifier: Apache-2.0
#
# Third-party libraries, each found once. llhttp comes as a library where the
# distribution has one, else from the C sources that Debian 12 ships in node-llhttp.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto SSL)
find_package(CURL 7.88 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(spdlog REQUIRED)
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
  # Without it llhttp lets a space into a header's name.
  target_compile_definitions(layby_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
  target_compile_options(layby_llhttp PRIVATE -w)
endif()
