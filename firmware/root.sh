# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Makes the two file systems of a slot from the unpacked packages: the initramfs, which finds
# the root, and the root with Layby in it.

root_programs=(/sbin/mke2fs /sbin/e2fsck /sbin/sfdisk /usr/bin/partx /usr/sbin/mdnsd /usr/sbin/ntpd
  /usr/sbin/dropbear /usr/bin/dropbearkey /usr/bin/flock)

# names_in FILE...: prints the words of the files, one a line, without the comments after #.
names_in() { sed 's/#.*//' "$@" | xargs -n 1; }

# new_tree FOLDER: makes the folders of a root, with /bin, /sbin and /lib as in Debian.
new_tree() {
  local tree=$1 folder
  rm -rf "$tree"
  mkdir -p "$tree"/{dev,etc,proc,root,run,sys,tmp,usr/bin,usr/sbin,usr/lib,usr/lib64}
  for folder in bin sbin lib lib64; do ln -s "usr/$folder" "$tree/$folder"; done
}

# add_busybox PACKAGES TREE: adds busybox with a link for each applet. /sbin/modprobe is for the
# kernel, which loads for example the driver of an Ethernet PHY.
add_busybox() {
  local packages=$1 tree=$2 name
  install -m 755 "$packages/bin/busybox" "$tree/bin/busybox"
  for name in $(names_in "$firmware/applets"); do
    LC_ALL=C grep -qazxF "$name" "$packages/bin/busybox" || die "busybox has no $name"
    ln -s busybox "$tree/bin/$name"
  done
  ln -s ../bin/busybox "$tree/sbin/modprobe"
}

# add_program PACKAGES TREE PATH: adds a program or library, and all libraries that PATH needs.
add_program() {
  local packages=$1 tree=$2 path=$3 source name
  [[ -e $tree$path ]] && return
  source=$packages$path
  [[ -e $source ]] || die "Debian's packages have no $path"
  mkdir -p "$tree${path%/*}"
  cp -L "$source" "$tree$path"
  chmod 755 "$tree$path"
  for name in $(readelf -d "$source" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    add_program "$packages" "$tree" "$(path_of_library "$packages" "$name")"
  done
  name=$(readelf -l "$source" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
  [[ -z $name ]] || add_program "$packages" "$tree" "$name"
}

path_of_library() {
  local found
  found=$(cd "$1" && find lib usr/lib lib64 -name "$2" -print -quit 2>/dev/null)
  [[ -n $found ]] || die "no package of firmware/packages.sh has $2"
  printf '/%s' "$found"
}

# add_modules PACKAGES TREE NAME...: adds kernel modules and their dependencies.
add_modules() {
  local packages=$1 tree=$2 version path
  shift 2
  version=$(kernel_version "$packages")
  # modprobe prints "builtin" for a module that is part of the kernel and has no file.
  modprobe -d "$packages" -S "$version" --show-depends -a "$@" | awk '$1 == "insmod" { print $2 }' | sort -u |
    while read -r path; do
      install -D -m 644 "$path" "$tree/usr${path#"$packages"}"
    done
  cp "$packages/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$version/"
  depmod -b "$tree" "$version"
  rm -f "$tree/lib/modules/$version"/modules.{order,builtin,builtin.modinfo,devname,softdep,symbols*,*.bin}
}

# make_initramfs PACKAGES PROGRAMS FILE
make_initramfs() {
  local packages=$1 programs=$2 file=$3 tree=$work/initramfs modules
  new_tree "$tree"
  add_busybox "$packages" "$tree"
  install -m 755 "$programs/layby-map-root" "$firmware/common/slots" "$tree/bin/"
  install -m 755 "$firmware/initramfs/init" "$tree/init"
  mapfile -t modules < <(names_in "$firmware/modules.initramfs" "$board_folder/modules.initramfs")
  add_modules "$packages" "$tree" "${modules[@]}"
  find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0) |
    zstd -q -19 -T0 -o "$file"
}

# make_root PACKAGES PROGRAMS PUBLIC_KEY FILE
make_root() {
  local packages=$1 programs=$2 public_key=$3 file=$4 tree=$work/root modules program
  new_tree "$tree"
  cp -r "$firmware/root/." "$tree/"
  add_busybox "$packages" "$tree"
  for program in "${root_programs[@]}"; do add_program "$packages" "$tree" "$program"; done
  install -m 755 "$programs/layby" "$tree/usr/bin/layby"
  install -m 755 "$firmware/common/slots" "$tree/usr/bin/slots"
  mkdir -p "$tree"/{data,etc/ssl/certs,var/lib}
  LC_ALL=C sort <(find "$packages/usr/share/ca-certificates" -name '*.crt') | xargs cat \
    >"$tree/etc/ssl/certs/ca-certificates.crt"
  mapfile -t modules < <(names_in "$firmware/modules.root" "$board_folder/modules.root")
  add_modules "$packages" "$tree" "${modules[@]}"
  names_in "$firmware/modules.root" >"$tree/lib/layby/modules"
  printf 'BOARD=%s\nVERSION=%s\nBUILT=%s\nLAMP=%s\n' "$board" "$version" "$SOURCE_DATE_EPOCH" "${lamp:-}" \
    >"$tree/etc/layby-release"
  cp "$public_key" "$tree/etc/layby-update.pub"
  ln -s /run/resolv.conf "$tree/etc/resolv.conf"
  ln -s /run/config "$tree/etc/layby"
  ln -s /run/ssh "$tree/root/.ssh"
  ln -s /data/layby "$tree/var/lib/layby"
  ln -s /run/openntpd "$tree/var/lib/openntpd"
  ln -s /run/log "$tree/var/log"
  ln -s /run "$tree/var/run"
  ln -s ../bin/busybox "$tree/sbin/init"
  [[ -z $add ]] || cp -r "$add/." "$tree/"
  rm -f "$file"
  mksquashfs "$tree" "$file" -quiet -no-progress -all-root -no-xattrs -comp zstd -Xcompression-level 22 \
    -b 256K -noappend
}
