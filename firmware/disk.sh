# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Makes the slots, the boot partition, the disk image and the firmware file.

mib=$((1 << 20))
boot_mib=32 config_mib=64 slot_mib=64 data_mib=1

# make_slot KERNEL INITRAMFS ROOT FILE: makes the content of a root partition. A small squashfs for
# the boot loader comes first, uncompressed because the files in it are compressed. The root follows
# at the next whole block, and then dm-verity's hash tree of the root.
make_slot() {
  local kernel=$1 initramfs=$2 file=$4 tree=$work/slot boot=$work/slot.boot verified=$work/slot.root
  local data_blocks hash_blocks first salt
  rm -rf "$tree"
  mkdir "$tree"
  # An arm64 kernel can't unpack itself. GRUB unpacks a kernel that is a gzip file.
  if [[ $architecture == arm64 ]]; then gzip -9n <"$kernel" >"$tree/vmlinuz"; else cp "$kernel" "$tree/vmlinuz"; fi
  cp "$initramfs" "$tree/initrd.img"
  cp "$3" "$verified"
  truncate -s %4096 "$verified"
  data_blocks=$(($(stat -c %s "$verified") / 4096))
  salt=$(sha256sum <"$verified" | cut -c 1-64)
  root_hash=$(veritysetup format --no-superblock --hash=sha256 --data-block-size=4096 --hash-block-size=4096 \
    --data-blocks="$data_blocks" --hash-offset=$((data_blocks * 4096)) --salt="$salt" \
    "$verified" "$verified" | awk '/^Root hash:/ { print $3 }')
  truncate -s %4096 "$verified"
  hash_blocks=$(($(stat -c %s "$verified") / 4096 - data_blocks))
  # slot.cfg writes the number of the first sector with six digits, so that the front has the same
  # size with every number.
  make_front() {
    sed -e "s|@ROOT@|$1,$data_blocks,$hash_blocks,$root_hash,$salt|" -e "s|@CMDLINE@|$cmdline|" \
      "$firmware/grub/slot.cfg.in" >"$tree/slot.cfg"
    mksquashfs "$tree" "$boot" -quiet -no-progress -all-root -no-xattrs -noI -noD -noF -noX \
      -noappend
    truncate -s %4096 "$boot"
  }
  make_front 000000
  first=$(($(stat -c %s "$boot") / 512))
  make_front "$(printf '%06d' "$first")"
  (($(stat -c %s "$boot") == first * 512)) || die "the front of the slot changed its size"
  cat "$boot" "$verified" >"$file"
  (($(stat -c %s "$file") <= slot_mib * mib)) || die "a slot is larger than $slot_mib MiB"
}

# make_fat FILE MIB LABEL ID FOLDER: makes a FAT file system with the content of FOLDER.
make_fat() {
  local file=$1 folder=$5 path
  rm -f "$file"
  truncate -s "$2M" "$file"
  mkfs.vfat --invariant -i "$4" -n "$3" "$file" >/dev/null
  find "$folder" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
  (
    cd "$folder"
    find . -mindepth 1 -type d | LC_ALL=C sort | while read -r path; do mmd -i "$file" "::${path#.}"; done
    find . -type f | LC_ALL=C sort | while read -r path; do mcopy -m -i "$file" "$path" "::${path#.}"; done
  )
}

# make_boot_partition PACKAGES FILE: adds GRUB, GRUB's configuration, and the state of the slots.
make_boot_partition() {
  local packages=$1 file=$2 tree=$work/boot
  rm -rf "$tree"
  mkdir -p "$tree/EFI/BOOT" "$tree/grub"
  grub-mkimage -O "$grub_platform" -d "$packages/usr/lib/grub/$grub_platform" -p /grub \
    -o "$tree/EFI/BOOT/$efi_name" \
    boot configfile echo efi_gop fat gzio linux loadenv normal part_gpt reboot regexp sleep squash4 test
  if declare -F add_boot_files >/dev/null; then add_boot_files "$packages" "$tree"; fi
  cp "$firmware/grub/grub.cfg" "$tree/grub/"
  printf '# GRUB Environment Block\nORDER=A B\nA_OK=0\nA_TRY=0\nB_OK=0\nB_TRY=3\nTRIED=\n' >"$tree/grub/grubenv"
  printf '%*s' $((1024 - $(stat -c %s "$tree/grub/grubenv"))) '' | tr ' ' '#' >>"$tree/grub/grubenv"
  make_fat "$file" "$boot_mib" BOOT 4c415942 "$tree"
}

make_config_partition() {
  local tree=$work/config
  rm -rf "$tree"
  cp -r "$firmware/config" "$tree"
  sed -i 's/$/\r/' "$tree"/*  # Some editors need CRLF; the box reads CRLF and LF.
  make_fat "$1" "$config_mib" LAYBY 4c415943 "$tree"
}

# make_disk PACKAGES SLOT FILE: makes the image. The second slot is empty until the first update.
# Every id is fixed, so that each build gives the same bits. A hybrid MBR lists the FAT partitions
# for firmware that can't read GPT. A partition's type is U for UEFI's, F for FAT, else Linux.
make_disk() {
  local packages=$1 slot=$2 file=$3 table=gpt in_mbr='' id=4c415942-0000-4000-8000-00000000000
  make_boot_partition "$packages" "$work/boot.img"
  make_config_partition "$work/config.img"
  if [[ -n ${hybrid_mbr:-} ]]; then table=hybrid in_mbr='partition-type = 0x0E'; fi
  cat >"$work/disk.cfg" <<EOF
image ${file##*/} {
  hdimage { align = 1M partition-table-type = $table disk-uuid = ${id}0 }
  partition layby-boot { size = ${boot_mib}M image = boot.img partition-uuid = ${id}1 partition-type-uuid = U $in_mbr }
  partition layby-config { size = ${config_mib}M image = config.img partition-uuid = ${id}2 partition-type-uuid = F $in_mbr }
  partition layby-root-a { size = ${slot_mib}M image = ${slot##*/} partition-uuid = ${id}3 }
  partition layby-root-b { size = ${slot_mib}M partition-uuid = ${id}4 }
  partition layby-data { size = ${data_mib}M partition-uuid = ${id}5 }
}
EOF
  mkdir "$work/none"  # genimage needs a root folder, even if no partition is made from the folder.
  genimage --loglevel 0 --config "$work/disk.cfg" --rootpath "$work/none" --tmppath "$work/genimage" \
    --inputpath "$work" --outputpath "$work"
}

# make_firmware SLOT KEY FILE: makes the firmware file: a signed head that describes the slot, and
# then the slot. docs/appliance.md has the format.
make_firmware() {
  local slot=$1 key=$2 file=$3 head=$work/firmware.head
  printf 'layby-firmware 1\nboard=%s\nversion=%s\nbuilt=%d\nsize=%d\nsha256=%s\n' "$board" "$version" \
    "$SOURCE_DATE_EPOCH" "$(stat -c %s "$slot")" "$(sha256sum <"$slot" | cut -c 1-64)" >"$head"
  openssl pkeyutl -sign -rawin -inkey "$key" -in "$head" -out "$work/firmware.signature"
  {
    cat "$head"
    printf 'signature=%s\n' "$(od -An -v -tx1 "$work/firmware.signature" | tr -d ' \n')"
    cat "$slot"
  } >"$file"
}
