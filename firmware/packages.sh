# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Debian's packages for the box, of the architecture of the board, unpacked in a folder.
# Nothing of them is run or installed here, so that no root is needed and any
# architecture can be had anywhere.

# What is taken from. The shared libraries are those that the programs of root.sh want;
# one that is missing stops the build by its name.
box_packages=(busybox-static ca-certificates e2fsprogs fdisk libblkid1 libc6 libcom-err2 libext2fs2
  libfdisk1 libmdnsd1 libmount1 libpcre2-8-0 libreadline8 libselinux1 libsmartcols1 libtinfo6 libuuid1
  mdnsd openntpd util-linux)

# fetch_packages ARCHITECTURE KERNEL FOLDER: FOLDER/root holds all of them, FOLDER/versions
# tells which. Done again only when Debian has others.
fetch_packages() {
  local architecture=$1 kernel=$2 folder=$3 packages=("${box_packages[@]}")
  mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
  debian_sources deb >"$folder/apt/debian.list"
  apt_for_box() {
    local command=$1
    shift
    "$command" -qq -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
      -o Dir::Etc::SourceList="$folder/apt/debian.list" -o Dir::Etc::SourceParts=/dev/null \
      -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" \
      -o Dir::State::Status=/dev/null -o APT::Sandbox::User=root "$@"
  }
  apt_for_box apt-get update
  packages+=("$(apt_for_box apt-cache depends "$kernel" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')")
  apt_for_box apt-get download --print-uris "${packages[@]}" | awk '{ print $2, $4 }' | sort >"$folder/versions.new"
  if ! cmp -s "$folder/versions.new" "$folder/versions"; then
    say "fetching ${#packages[@]} packages of Debian for $architecture"
    rm -rf "$folder/root" "$folder/versions" "$folder/debs"
    mkdir -p "$folder/root" "$folder/debs"
    (cd "$folder/debs" && apt_for_box apt-get download "${packages[@]}")
    local deb
    for deb in "$folder"/debs/*.deb; do dpkg-deb -x "$deb" "$folder/root"; done
    rm -r "$folder/debs"
    depmod -b "$folder/root" "$(kernel_version "$folder/root")"
    mv "$folder/versions.new" "$folder/versions"
  fi
}

kernel_version() {
  local modules=("$1"/lib/modules/*)
  printf '%s' "${modules[0]##*/}"
}
