# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Unpacks Debian's packages for the box into a folder, in the architecture of the board. The
# build neither runs nor installs these packages, so it needs no root and works for any
# architecture.

# The packages from which the build takes files. The libraries in this list are needed by the
# programs of root.sh. If a library is missing here, the build stops and names the library.
box_packages=(busybox-static ca-certificates dropbear-bin e2fsprogs fdisk libblkid1 libc6 libcom-err2
  libcrypt1 libext2fs2 libfdisk1 libgmp10 libmdnsd1 libmount1 libpcre2-8-0 libreadline8 libselinux1
  libsmartcols1 libtinfo6 libtomcrypt1 libtommath1 libuuid1 mdnsd openntpd util-linux zlib1g)

# fetch_packages ARCHITECTURE KERNEL FOLDER [PACKAGE...]: unpacks box_packages, the PACKAGEs of
# the board, and the kernel with its modules into FOLDER/root.
fetch_packages() {
  local architecture=$1 kernel=$2 folder=$3 wanted=("${box_packages[@]}" "${@:4}")
  update_lists "$architecture" "$folder" "${extra_components[@]}"
  wanted+=("$(foreign_apt "$architecture" "$folder" apt-cache depends "$kernel" |
    sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')")
  unpack_packages "$architecture" "$folder" "${wanted[@]}"
  # modules.dep exists only if all packages are unpacked, because depmod is the last step.
  [[ -e $folder/root/lib/modules/$(kernel_version "$folder/root")/modules.dep ]] ||
    depmod -b "$folder/root" "$(kernel_version "$folder/root")"
}

kernel_version() {
  local modules=("$1"/lib/modules/*)
  printf '%s' "${modules[0]##*/}"
}
