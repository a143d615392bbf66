# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Functions that the scripts share: the root of the repository, messages, root rights, Debian
# packages and builds. A script sources this file after set -euo pipefail.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Debian 12 has no library of llhttp. The package node-llhttp has llhttp's C sources.
# shellcheck disable=SC2034  # Used by the scripts that source this file.
build_packages=(g++ gcc cmake ninja-build pkg-config ca-certificates libcurl4-openssl-dev
  libevent-dev liblmdb-dev libssl-dev nlohmann-json3-dev libcli11-dev libspdlog-dev libtomlplusplus-dev
  node-llhttp)

# More packages for building the release and its libcurl. dpkg-source needs patch and xz.
release_packages=(dpkg-dev patch xz-utils zlib1g-dev)

# More packages for building the static program.
# shellcheck disable=SC2034
static_packages=("${release_packages[@]}" libfmt-dev)

# Packages for a static program of another architecture: cross_packages are tools of this machine,
# sysroot_packages are of the other architecture. The compiler is clang, because Debian's cross GCC
# doesn't get GCC's security fixes.
# shellcheck disable=SC2034
cross_packages=(clang lld llvm)
sysroot_packages=(libc6 libc6-dev libgcc-s1 libgcc-12-dev libstdc++-12-dev linux-libc-dev libevent-dev
  libfmt-dev libfmt9 liblmdb-dev libspdlog-dev libspdlog1.10 libssl-dev zlib1g-dev libcli11-dev
  libtomlplusplus-dev nlohmann-json3-dev node-llhttp)

# More packages for building the appliance images.
# shellcheck disable=SC2034
image_packages=(cpio cryptsetup-bin dosfstools genimage grub-common kmod mtools openssl
  squashfs-tools zstd)

# More packages for building the Debian package.
# shellcheck disable=SC2034
package_packages=(dpkg-dev python3)

# More packages for building the container image.
# shellcheck disable=SC2034
container_packages=(buildah)

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

# Runs a command as root.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    command -v sudo >/dev/null || die "run this as root, or install sudo: $*"
    sudo "$@"
  fi
}

# need_root_or_sudo "$@": starts the script anew as root, unless the script runs as root.
need_root_or_sudo() {
  [[ $EUID -eq 0 ]] && return
  command -v sudo >/dev/null || die "run this as root, or install sudo"
  exec sudo --preserve-env=CI,LAYBY_BIN,LAYBY_IMAGES "$0" "$@"
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# install_packages PACKAGE...: installs the missing packages by one command. The packages' services
# don't start, because the tests start their own services.
install_packages() {
  local missing=() package
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  without_services as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# debian_sources TYPE: prints this machine's Debian mirrors as lines of TYPE deb or deb-src. The
# mirrors come from apt, because apt's configuration has several formats. Packages from any mirror
# must be signed by Debian.
debian_sources() {
  apt-get indextargets --format \
    "$1 [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' 'Origin: Debian' | sort -u
}

# foreign_apt ARCHITECTURE FOLDER COMMAND...: runs apt-get or apt-cache with its own sources and
# lists in FOLDER/apt, for any architecture and without root. The machine's lists don't change.
foreign_apt() {
  local architecture=$1 folder=$2 command=$3
  shift 3
  "$command" -qq -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
    -o Dir::Etc::SourceList="$folder/apt/debian.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" \
    -o Dir::State::Status=/dev/null -o APT::Sandbox::User=root "$@"
}

# update_lists ARCHITECTURE FOLDER [COMPONENT...]: updates the lists of foreign_apt for Debian's
# component main and the COMPONENTs.
update_lists() {
  local list=$2/apt/debian.list
  mkdir -p "$2/apt/lists/partial" "$2/apt/archives/partial"
  debian_sources deb >"$list"
  if [[ ! -s $list ]]; then  # Without package lists, apt can't tell which mirrors are Debian's.
    as_root apt-get update -qq
    debian_sources deb >"$list"
  fi
  sed -i "s/ main\$/ main ${*:3}/" "$list"
  foreign_apt "$1" "$2" apt-get update
}

# unpack_packages ARCHITECTURE FOLDER PACKAGE...: unpacks the PACKAGEs into FOLDER/root, and records
# their versions in FOLDER/versions. Doesn't run or install the packages. Fetches packages again
# only when Debian has other versions. Call update_lists first.
unpack_packages() {
  local architecture=$1 folder=$2 deb
  shift 2
  foreign_apt "$architecture" "$folder" apt-get download --print-uris "$@" |
    awk '{ print $2, $4 }' | sort >"$folder/versions.new"
  cmp -s "$folder/versions.new" "$folder/versions" && return
  say "fetching $# packages of Debian for $architecture"
  rm -rf "$folder/root" "$folder/versions" "$folder/debs"
  mkdir -p "$folder/root" "$folder/debs"
  (cd "$folder/debs" && foreign_apt "$architecture" "$folder" apt-get download "$@")
  for deb in "$folder"/debs/*.deb; do dpkg-deb -x "$deb" "$folder/root"; done
  rm -r "$folder/debs"
  mv "$folder/versions.new" "$folder/versions"
}

# Runs a command while policy-rc.d keeps packages from starting services.
without_services() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e $policy ]]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod +x "$policy"
  "$@" || status=$?
  as_root rm -f "$policy"
  return "$status"
}

# Prints CMake options for ccache, one a line. Prints nothing if ccache is not installed.
compiler_cache_options() {
  command -v ccache >/dev/null || return 0
  printf '%s\n' -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache
}

# build_preset PRESET [TARGET...]: configures and builds build/PRESET.
build_preset() {
  local preset=$1 options
  shift
  mapfile -t options < <(compiler_cache_options)
  (
    cd "$root" || exit
    # Without this variable, ccache doesn't cache objects that use precompiled headers.
    export CCACHE_SLOPPINESS=pch_defines,time_macros
    # ccache takes paths relative to the repository, so that another clone finds the same objects.
    export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
    cmake --preset "$preset" "${options[@]}"
    cmake --build "build/$preset" "${@/#/--target=}"
  )
}

# Builds the release and its libcurl.
build_release() {
  install_packages "${build_packages[@]}" "${release_packages[@]}"
  "$root/scripts/static-curl"
  build_preset release
}

is_foreign() { [[ $1 != "$(dpkg --print-architecture)" ]]; }

# static_preset ARCHITECTURE: prints the static program's preset, also the name of its build folder.
static_preset() { if is_foreign "$1"; then printf 'static-%s' "$1"; else printf 'static'; fi; }

# build_static [ARCHITECTURE]: builds the static program and its libcurl, for this machine or for an
# ARCHITECTURE that has a file in cmake/.
build_static() {
  local architecture=${1:-$(dpkg --print-architecture)}
  install_packages "${build_packages[@]}" "${static_packages[@]}"
  if is_foreign "$architecture"; then
    [[ -e $root/cmake/$architecture.cmake ]] || die "there is no build for $architecture on this machine"
    install_packages "${cross_packages[@]}"
    local sysroot=$root/build/third_party/sysroot-$architecture
    update_lists "$architecture" "$sysroot"
    unpack_packages "$architecture" "$sysroot" "${sysroot_packages[@]}"
  fi
  "$root/scripts/static-curl" "$architecture"
  build_preset "$(static_preset "$architecture")"
}

# Prints the version that CMakeLists.txt declares.
project_version() { sed -n 's/^project(layby VERSION \([0-9.]*\).*/\1/p' "$root/CMakeLists.txt"; }

# Prints the time of the last commit, in seconds since 1970.
last_commit_time() { git -C "$root" -c safe.directory="$root" log -1 --format=%ct; }
