// SPDX-License-Identifier: Apache-2.0
//
// Requests through a proxy: http in absolute form, https by CONNECT; with the proxy from the
// options and from the environment. A proxy sees no Authorization of an https registry.

#include <cstdlib>

#include "upstream/registry_fixture.h"

namespace layby::upstream {
namespace {

// While a WithEnvironment exists, an environment variable has the given value.
class WithEnvironment {
 public:
  WithEnvironment(const char* name, const std::string& value) : name_(name) {
    ::setenv(name, value.c_str(), 1);
  }
  WithEnvironment(const WithEnvironment&) = delete;
  WithEnvironment& operator=(const WithEnvironment&) = delete;
  ~WithEnvironment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class ProxyTest : public RegistryTest {
 protected:
  ProxyTest() {
    for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                             "no_proxy", "NO_PROXY"}) {
      ::unsetenv(name);
    }
  }

  TinyHttpServer proxy_{[](const SeenRequest& request, Peer& peer) {
    if (request.method == "CONNECT") return peer.reply(403);
    peer.reply(200, {}, "by proxy");
  }};
};

TEST_F(ProxyTest, TakesHttpThroughTheProxyOfTheOptions) {
  options_.proxy = proxy_.url();
  connect("http://registry.invalid");
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->bytes, "by proxy");
  EXPECT_EQ(proxy_.requests().at(0).target, "http://registry.invalid" + kManifestTarget);
}

TEST_F(ProxyTest, AsksTheProxyToConnectForHttps) {
  options_.proxy = proxy_.url();
  options_.username = "user";
  options_.password = "secret";
  connect("https://registry.invalid");
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(manifest.error().message.find("the proxy answered 403; check upstreams[].proxy"),
            std::string::npos)
      << manifest.error().message;
  const SeenRequest asked = proxy_.requests().at(0);
  EXPECT_TRUE(asked.is("CONNECT", "registry.invalid:443")) << asked.target;
  EXPECT_EQ(asked.headers.count("authorization"), 0u);
  EXPECT_EQ(asked.headers.count("accept"), 0u);
}

TEST_F(ProxyTest, TakesTheProxyOfTheEnvironment) {
  const WithEnvironment variable("HTTPS_PROXY", proxy_.url());
  connect("https://registry.invalid");
  EXPECT_FALSE(get_manifest().ok());
  EXPECT_EQ(proxy_.requests().size(), 1u);
}

TEST_F(ProxyTest, BypassesTheProxyForAHostInNoProxy) {
  const WithEnvironment proxy("http_proxy", proxy_.url());
  const WithEnvironment exception("NO_PROXY", "127.0.0.1");
  serve_reply(200, {}, "direct");
  const auto manifest = get_manifest();
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->bytes, "direct");
  EXPECT_TRUE(proxy_.requests().empty());
}

TEST_F(ProxyTest, ShowsNoPasswordOfAProxyThatIsDown) {
  options_.proxy = "http://user:topsecret@127.0.0.1:1";
  connect("http://registry.invalid");
  const auto manifest = get_manifest();
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(manifest.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(manifest.error().message.find("topsecret"), std::string::npos)
      << manifest.error().message;
}

}  // namespace
}  // namespace layby::upstream
