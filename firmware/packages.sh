# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Debian's packages for the box, of the architecture of the board, unpacked in a folder.
# Nothing of them is run or installed here, so that no root is needed and any
# architecture can be had anywhere.

# What is taken from. The shared libraries are those that the programs of root.sh want;
# one that is missing stops the build by its name.
box_packages=(busybox-static ca-certificates dropbear-bin e2fsprogs fdisk libblkid1 libc6 libcom-err2
  libcrypt1 libext2fs2 libfdisk1 libgmp10 libmdnsd1 libmount1 libpcre2-8-0 libreadline8 libselinux1
  libsmartcols1 libtinfo6 libtomcrypt1 libtommath1 libuuid1 mdnsd openntpd util-linux zlib1g)

# fetch_packages ARCHITECTURE KERNEL FOLDER [PACKAGE...]: FOLDER/root holds all of them, those
# of the board, the kernel and its modules.
fetch_packages() {
  local architecture=$1 kernel=$2 folder=$3 wanted=("${box_packages[@]}" "${@:4}")
  update_lists "$architecture" "$folder" "${extra_components[@]}"
  wanted+=("$(foreign_apt "$architecture" "$folder" apt-cache depends "$kernel" |
    sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p')")
  unpack_packages "$architecture" "$folder" "${wanted[@]}"
  # Its last step: what is there is whole.
  [[ -e $folder/root/lib/modules/$(kernel_version "$folder/root")/modules.dep ]] ||
    depmod -b "$folder/root" "$(kernel_version "$folder/root")"
}

kernel_version() {
  local modules=("$1"/lib/modules/*)
  printf '%s' "${modules[0]##*/}"
}
