// SPDX-License-Identifier: Apache-2.0
//
// layby-map-root DEVICE FIRST_SECTOR DATA_BLOCKS HASH_BLOCKS ROOT_HASH SALT
//
// Makes a verified device from a part of DEVICE by the kernel's device mapper, and prints the path
// of the verified device. If a block differs from the build, reading the block fails. The part
// begins at FIRST_SECTOR (a sector has 512 bytes). DATA_BLOCKS blocks of data come first, then
// HASH_BLOCKS blocks of the hash tree (a block has 4096 bytes). ROOT_HASH is the SHA-256 at the top
// of the hash tree, and SALT is the salt of the tree; both are hexadecimal. Runs in the initramfs
// as root. If the kernel refuses, prints why and exits with 1.
//
// The tables of the devices are described in linear.rst and verity.rst in the kernel's
// Documentation/admin-guide/device-mapper.

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace {

constexpr std::uint64_t kSectorsPerBlock = 8;
constexpr std::size_t kMaxParameters = 1024;  // Counts the NUL at the end.

// The argument of a device mapper call: the header, and one target with its parameters.
struct Call {
  dm_ioctl header{};
  dm_target_spec target{};
  std::array<char, kMaxParameters> parameters{};
};

struct Table {
  const char* kind;
  std::uint64_t sectors;
  std::string parameters;
};

Call call_for(std::string_view name) {
  assert(name.size() < DM_NAME_LEN);
  Call call;
  call.header.version[0] = DM_VERSION_MAJOR;
  call.header.data_size = sizeof call;
  call.header.data_start = offsetof(Call, target);
  name.copy(call.header.name, sizeof call.header.name - 1);
  return call;
}

// Makes the read-only device `name` and returns the device's number. Returns nullopt with errno set
// if the kernel refuses. errno is EINVAL if the parameters are too long.
std::optional<dev_t> make_device(int control, std::string_view name, const Table& table) {
  assert(std::strlen(table.kind) < DM_MAX_TYPE_NAME);
  if (table.parameters.size() >= kMaxParameters) {
    errno = EINVAL;
    return std::nullopt;
  }
  Call created = call_for(name);
  if (::ioctl(control, DM_DEV_CREATE, &created) != 0) return std::nullopt;
  Call loaded = call_for(name);
  loaded.header.flags = DM_READONLY_FLAG;
  loaded.header.target_count = 1;
  loaded.target.length = table.sectors;
  std::strncpy(loaded.target.target_type, table.kind, sizeof loaded.target.target_type - 1);
  table.parameters.copy(loaded.parameters.data(), table.parameters.size());
  if (::ioctl(control, DM_TABLE_LOAD, &loaded) != 0) return std::nullopt;
  // DM_DEV_SUSPEND without DM_SUSPEND_FLAG resumes the device, so that the loaded table applies.
  Call resumed = call_for(name);
  resumed.header.flags = DM_READONLY_FLAG;
  if (::ioctl(control, DM_DEV_SUSPEND, &resumed) != 0) return std::nullopt;
  return static_cast<dev_t>(created.header.dev);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string path_of(dev_t device) { return "/dev/dm-" + std::to_string(minor(device)); }

int fail(std::string_view what) {
  std::fprintf(stderr, "layby-map-root: %s: %s\n", std::string(what).c_str(), std::strerror(errno));
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (arguments.size() != 7) {
    std::fputs("layby-map-root DEVICE FIRST_SECTOR DATA_BLOCKS HASH_BLOCKS ROOT_HASH SALT\n",
               stderr);
    return 2;
  }
  const std::string device = arguments[1];
  const auto first = number(arguments[2]);
  const auto data_blocks = number(arguments[3]);
  const auto hash_blocks = number(arguments[4]);
  if (!first || !data_blocks || !hash_blocks) {
    errno = EINVAL;
    return fail("the numbers of sectors and blocks");
  }
  const int control = ::open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (control < 0) return fail("/dev/mapper/control");
  const auto part = make_device(control, "layby-slot",
                                {"linear", (*data_blocks + *hash_blocks) * kSectorsPerBlock,
                                 device + " " + std::to_string(*first)});
  if (!part) return fail(device);
  const std::string blocks = std::to_string(*data_blocks);
  const auto root =
      make_device(control, "layby-root",
                  {"verity", *data_blocks * kSectorsPerBlock,
                   "1 " + path_of(*part) + " " + path_of(*part) + " 4096 4096 " + blocks + " " +
                       blocks + " sha256 " + arguments[5] + " " + arguments[6]});
  if (!root) return fail("dm-verity");
  std::puts(path_of(*root).c_str());
  return 0;
}
