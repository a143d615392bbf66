// SPDX-License-Identifier: Apache-2.0
//
// A resolver that doesn't answer, as on a link that is down: requests keep their deadlines
// and the loop goes on turning. This executable has its own getaddrinfo, which libcurl
// calls instead of the C library's.

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <cstring>

#include "upstream/registry_fixture.h"

namespace {

// Never destroyed: detached threads may still wait at the gate when the test ends.
layby::testing::Gate& gate() {
  static auto* const kept = new layby::testing::Gate;
  return *kept;
}
std::atomic<int> waiting{0};

}  // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  if (node != nullptr && std::strcmp(node, "slow.test") == 0) {
    ++waiting;
    gate().wait();
    --waiting;
    return EAI_AGAIN;
  }
  using Real = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const Real real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(node, service, hints, result);
}

namespace layby::upstream {
namespace {

class SlowNamesTest : public RegistryTest {
 protected:
  void SetUp() override { gate().close(); }
  void TearDown() override {
    gate().open();
    registry_.reset();
    multi_.reset();
    EXPECT_TRUE(turn([] { return waiting == 0; }));
  }
};

TEST_F(SlowNamesTest, KeepADeadlineAndDoNotBlockTheLoop) {
  connect("http://slow.test");
  const auto before = std::chrono::steady_clock::now();
  const auto head = head_manifest(kRepository, 100ms);
  ASSERT_FALSE(head.ok());
  EXPECT_EQ(head.error().code, ErrorCode::kTimedOut);
  EXPECT_EQ(waiting, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);

  auto handle = registry_->get_manifest(kRepository, kTag, [](const auto&) {});
  ASSERT_TRUE(turn([] { return waiting == 2; }));
  handle.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s);
}

}  // namespace
}  // namespace layby::upstream
