// SPDX-License-Identifier: Apache-2.0
//
// The configuration: its defaults, each kind of value and each kind of fault.

#include "layby/app/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "layby/policy/freshness.h"
#include "support/temp_dir.h"

namespace layby::app {
namespace {

using std::chrono::milliseconds;

class ConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {}
  void TearDown() override {}

  static Config whole(const std::string& json) {
    ConfigOutcome outcome = parse_config(json);
    for (const ConfigFault& fault : outcome.faults) {
      ADD_FAILURE() << fault.path << ": " << fault.message;
    }
    return std::move(outcome.config);
  }

  // "path: message" of the only fault.
  static std::string fault_of(const std::string& json) {
    const ConfigOutcome outcome = parse_config(json);
    if (outcome.faults.size() != 1) {
      return std::to_string(outcome.faults.size()) + " faults: " + all_of(outcome);
    }
    return outcome.faults[0].path + ": " + outcome.faults[0].message;
  }

  static std::string all_of(const ConfigOutcome& outcome) {
    std::string text;
    for (const ConfigFault& fault : outcome.faults) {
      text += fault.path + ": " + fault.message + "\n";
    }
    return text;
  }

  static std::string upstream_fault(const std::string& members) {
    return fault_of(R"({"upstreams": [{)" + members + "}]}");
  }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  testing::TempDir folder_;
};

TEST_F(ConfigTest, EmptyTextGivesTheDefaults) {
  const std::string defaults = config_json(Config{});
  for (const char* text : {"", "  \n", "{}", "// none\n", "/* none */"}) {
    EXPECT_EQ(config_json(whole(text)), defaults) << text;
  }
}

TEST_F(ConfigTest, EveryKindOfValueIsRead) {
  const Config config = whole(R"({ // a comment
    "listen": "[::]:5001", "helper_threads": 8,
    "cache": {"max_bytes": "1.5GiB", "min_free_bytes": "5%"}, /* another */
    "tags": {"fresh_for": "5m"},
    "limits": {"header_bytes": 8192},
    "log": {"level": "debug"}})");
  EXPECT_EQ(config.listen, "[::]:5001");
  EXPECT_EQ(config.helper_threads, 8);
  EXPECT_EQ(config.rules.space.max_bytes, (policy::SpaceLimit{0, std::uint64_t{3} << 29}));
  EXPECT_EQ(config.rules.space.min_free_bytes, (policy::SpaceLimit{5, 0}));
  EXPECT_EQ(config.rules.fresh_for, milliseconds(300'000));
  EXPECT_EQ(config.limits.header_bytes, 8192U);
  EXPECT_EQ(config.log_level, "debug");
}

TEST_F(ConfigTest, UpstreamsReplaceTheDefaultUpstream) {
  const Config config = whole(R"({"upstreams": [
    {"name": "docker.io", "allow": ["*"]},
    {"name": "ghcr.io", "url": "http://ghcr.io:8080/", "proxy": "http://proxy:3128"}]})");
  ASSERT_EQ(config.upstreams.size(), 2U);
  EXPECT_EQ(config.upstreams[0].url, "https://registry-1.docker.io");
  EXPECT_EQ(config.upstreams[0].allow, std::vector<std::string>{"*"});
  EXPECT_EQ(config.upstreams[1].url, "http://ghcr.io:8080");
}

TEST_F(ConfigTest, AllFaultsAreReportedAtOnce) {
  const ConfigOutcome outcome = parse_config(R"({
    "listen": "nowhere", "lissten": ":1", "data_dir": 5,
    "cache": {"max_bytes": "many", "min_free_bytes": "1GiB"},
    "tags": {"fresh_for": "soon"}, "limits": {"max_connections": -1},
    "upstreams": [{"url": "ftp://x", "alow": []}, 7]})");
  std::vector<std::string> paths;
  for (const ConfigFault& fault : outcome.faults) paths.push_back(fault.path);
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths, (std::vector<std::string>{
                       "cache.max_bytes", "data_dir", "limits.max_connections", "lissten", "listen",
                       "tags.fresh_for", "upstreams[0].alow", "upstreams[0].url", "upstreams[1]"}));
}

TEST_F(ConfigTest, UnknownKeySuggestsTheNearestKey) {
  EXPECT_EQ(fault_of(R"({"lissten": 1})"), "lissten: is not a key; did you mean \"listen\"?");
  EXPECT_EQ(fault_of(R"({"max_bytes": 1})"),
            "max_bytes: is not a key; did you mean \"cache.max_bytes\"?");
  EXPECT_EQ(fault_of(R"({"cache": {"mxa_bytes": 1}})"),
            "cache.mxa_bytes: is not a key; did you mean \"cache.max_bytes\"?");
  EXPECT_EQ(fault_of(R"({"zzzzzzzz": 1})"),
            "zzzzzzzz: is not a key; `layby config reference` lists all keys");
}

TEST_F(ConfigTest, EmptyKeyIsShownAsQuotes) {
  EXPECT_EQ(fault_of(R"({"": 1})").substr(0, 18), "\"\": is not a key; ");
}

TEST_F(ConfigTest, KeysWithDotsAreFaults) {
  EXPECT_NE(fault_of(R"({"cache.max_bytes": "1%"})").find("write a section as an object"),
            std::string::npos);
  EXPECT_NE(fault_of(R"({"upstreams[]": {"name": "x"}})").find("is not a key"), std::string::npos);
}

TEST_F(ConfigTest, DuplicateKeysAreFaults) {
  EXPECT_EQ(fault_of(R"({"listen": ":1", "listen": ":2"})"),
            "listen: appears here twice; keep one");
  EXPECT_EQ(fault_of(R"({"tags": {"fresh_for": "1s", "fresh_for": "2s", "fresh_for": "3s"}})"),
            "tags.fresh_for: appears here twice; keep one");
  EXPECT_EQ(upstream_fault(R"("allow": ["*"], "allow": ["*"])"),
            "upstreams[0].allow: appears here twice; keep one");
}

TEST_F(ConfigTest, SyntaxFaultsNameLineAndColumn) {
  EXPECT_EQ(fault_of("{\n \"listen\": \n}").substr(0, 17), "line 3, column 1:");
  EXPECT_EQ(fault_of("{\"listen\" \":1\"}").substr(0, 18), "line 1, column 14:");
  EXPECT_NE(fault_of("{\"listen\": \":1\",\n}").find("remove the comma before it"),
            std::string::npos);
  EXPECT_NE(fault_of("/* open").find("line 1"), std::string::npos);
}

TEST_F(ConfigTest, OnlyAnObjectIsAConfiguration) {
  for (const char* text : {"null", "3", "[]", "\"x\""}) {
    EXPECT_NE(fault_of(text).find("the file must be an object"), std::string::npos) << text;
  }
}

TEST_F(ConfigTest, DepthAndSizeAreBounded) {
  EXPECT_NE(fault_of(std::string(100'000, '[')).find("nested too deep"), std::string::npos);
  EXPECT_NE(fault_of(std::string(kMaxConfigBytes + 1, ' ')).find("is more than 1MiB"),
            std::string::npos);
}

TEST_F(ConfigTest, WrongKindsOfValuesAreNamed) {
  EXPECT_EQ(fault_of(R"({"listen": 5000})"), "listen: must be a text in quotes, not 5000");
  EXPECT_EQ(fault_of(R"({"helper_threads": "4"})"),
            "helper_threads: must be a whole number, not \"4\"");
  EXPECT_EQ(fault_of(R"({"helper_threads": 1.5})"),
            "helper_threads: must be a whole number, not 1.5");
  EXPECT_EQ(fault_of(R"({"cache": 5})"), "cache: must be an object, { … }, not 5");
  EXPECT_NE(fault_of(R"({"tags": {"fresh_for": 60}})").find("such as \"500ms\""),
            std::string::npos);
  EXPECT_NE(fault_of(R"({"upstreams": {}})").find("must be a list"), std::string::npos);
  EXPECT_NE(fault_of(R"({"upstreams": []})").find("not empty"), std::string::npos);
  EXPECT_NE(upstream_fault(R"("allow": "library/*")").find("must be a list"), std::string::npos);
  EXPECT_NE(upstream_fault(R"("allow": [3])").find("upstreams[0].allow[0]"), std::string::npos);
}

TEST_F(ConfigTest, ValuesOutOfRangeAreFaults) {
  EXPECT_EQ(fault_of(R"({"helper_threads": 0})"),
            "helper_threads: must be between 1 and 64, not 0");
  EXPECT_EQ(fault_of(R"({"limits": {"request_timeout": "2h"}})"),
            "limits.request_timeout: must be between 10ms and 60m, not \"2h\"");
  EXPECT_EQ(fault_of(R"({"sockets": {"notsent_lowat_bytes": 1}})"),
            "sockets.notsent_lowat_bytes: must be between 4KiB and 64MiB, not 1");
  EXPECT_EQ(fault_of(R"({"cache": {"max_bytes": "0%"}})"),
            "cache.max_bytes: must be at least \"1%\"");
  EXPECT_NE(fault_of(R"({"cache": {"max_bytes": "101%"}})").find("must be"), std::string::npos);
  EXPECT_EQ(fault_of(R"({"cache": {"max_bytes": 5}})"),
            "cache.max_bytes: must be at least 1MiB, not 5");
}

TEST_F(ConfigTest, RateIsZeroOrAtLeast64KiB) {
  EXPECT_EQ(whole("").upstream.max_rate, 0U);
  EXPECT_EQ(whole(R"({"upstream": {"max_rate": 0}})").upstream.max_rate, 0U);
  EXPECT_EQ(whole(R"({"upstream": {"max_rate": "2MB"}})").upstream.max_rate, 2'000'000U);
  EXPECT_EQ(whole(R"({"upstream": {"max_rate": 2000000}})").upstream.max_rate, 2'000'000U);
  EXPECT_EQ(whole(R"({"upstream": {"max_rate": "64KiB"}})").upstream.max_rate, 64U << 10);
  EXPECT_EQ(fault_of(R"({"upstream": {"max_rate": 65535}})"),
            "upstream.max_rate: must be 0 for no limit, or at least 64KiB a second, not 65535");
  EXPECT_NE(fault_of(R"({"upstream": {"max_rate": "50%"}})").find("must be a rate"),
            std::string::npos);
}

TEST_F(ConfigTest, AddressesAndPathsAreChecked) {
  EXPECT_NE(fault_of(R"({"listen": "localhost:5000"})").find("listen: is not an address"),
            std::string::npos);
  EXPECT_NE(fault_of(R"({"data_dir": "data"})").find("absolute path"), std::string::npos);
  EXPECT_NE(fault_of(R"({"data_dir": "/a\u0000b"})").find("control characters"), std::string::npos);
  EXPECT_NE(fault_of(R"({"socket": "/)" + std::string(107, 'x') + "\"}").find("at most 107"),
            std::string::npos);
}

TEST_F(ConfigTest, UrlsAreChecked) {
  EXPECT_NE(upstream_fault(R"("url": "ftp://x")").find("upstreams[0].url: "), std::string::npos);
  EXPECT_NE(upstream_fault(R"("url": "https://u:p@x")").find("password"), std::string::npos);
  EXPECT_EQ(upstream_fault(R"("url": "https://x/v2/")"),
            "upstreams[0].url: ends in /v2, which Layby adds itself; write \"https://x\"");
  EXPECT_NE(upstream_fault(R"("url": "https://x?a=b")").find("has a query"), std::string::npos);
  EXPECT_EQ(whole(R"({"upstreams": [{"url": "http://x"}]})").upstreams[0].url, "http://x");
}

TEST_F(ConfigTest, UpstreamsNeedUniqueValidNames) {
  const std::string twice = R"({"upstreams": [{"name": "docker.io"}, {"name": "docker.io"}]})";
  EXPECT_EQ(
      fault_of(twice),
      "upstreams[1].name: is \"docker.io\" like that of an earlier upstream; write another name");
  EXPECT_NE(upstream_fault(R"("name": "Docker.io", "url": "http://x")").find("lower case"),
            std::string::npos);
  EXPECT_NE(upstream_fault(R"("name": "ghcr.io")").find("upstreams[0].url: is missing"),
            std::string::npos);
}

TEST_F(ConfigTest, TrustedProxiesAreNetworks) {
  const Config config =
      whole(R"({"trusted_proxies": ["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1"]})");
  EXPECT_EQ(config.limits.trusted_proxies.size(), 4U);
  for (const char* text : {"10.0.0.1/8", "10.0.0.0/33", "proxy.example", "", "10.0.0.0/"}) {
    const std::string fault = fault_of(R"({"trusted_proxies": [")" + std::string(text) + "\"]}");
    EXPECT_TRUE(fault.starts_with("trusted_proxies[0]: is not a network; write")) << fault;
  }
}

TEST_F(ConfigTest, HostsAreNamesInLowerCaseWithoutAPort) {
  EXPECT_EQ(whole(R"({"hosts": ["mirror.example", "box"]})").hosts.size(), 2U);
  for (const char* text : {"", "Mirror", "mirror.example:5000", "http://x", "x.", ".x", "*"}) {
    const std::string fault = fault_of(R"({"hosts": [")" + std::string(text) + "\"]}");
    EXPECT_TRUE(fault.starts_with("hosts[0]: is not a host name; write")) << fault;
  }
}

TEST_F(ConfigTest, PatternsThatMatchNothingAreFaults) {
  const auto fault = [](const std::string& pattern) {
    return upstream_fault(R"("allow": [")" + pattern + "\"]");
  };
  EXPECT_NE(fault("debian").find("write \"library/debian\""), std::string::npos);
  EXPECT_NE(fault("docker.io/library/*").find("write \"library/*\""), std::string::npos);
  EXPECT_NE(fault("library/debian:12").find("names a tag"), std::string::npos);
  EXPECT_NE(fault("Library/*").find("lower case"), std::string::npos);
  EXPECT_NE(fault("/library").find("is not a repository"), std::string::npos);
  EXPECT_NE(fault("").find("is empty"), std::string::npos);
  EXPECT_NE(upstream_fault(R"("allow": [])").find("allows nothing"), std::string::npos);
}

TEST_F(ConfigTest, UsernameAndPasswordFileNeedEachOther) {
  EXPECT_EQ(upstream_fault(R"("username": "me")"),
            "upstreams[0].password_file: is missing; write the path of a file with the password "
            "of \"me\"");
  EXPECT_EQ(upstream_fault(R"("password_file": "/p")"),
            "upstreams[0].username: is missing; write the account that password_file belongs to");
}

TEST_F(ConfigTest, CertificateAndKeyNeedEachOther) {
  EXPECT_EQ(fault_of(R"({"tls": {"certificate_file": "/c.pem"}})"),
            "tls.key_file: is missing; write the path of the certificate's key");
  EXPECT_EQ(fault_of(R"({"tls": {"key_file": "/k.pem"}})"),
            "tls.certificate_file: is missing; write the path of the key's certificate");
  const Config both = whole(R"({"tls": {"certificate_file": "/c.pem", "key_file": "/k.pem"}})");
  EXPECT_EQ(both.tls.listen, "0.0.0.0:5443");
  EXPECT_TRUE(whole(R"({"tls": {"listen": "127.0.0.1:1"}})").tls.certificate_file.empty());
}

TEST_F(ConfigTest, TwoListenersDoNotShareAPort) {
  const auto with = [](const std::string& plain, const std::string& tls) {
    return R"({"listen": ")" + plain + R"(", "tls": {"certificate_file": "/c.pem", )" +
           R"("key_file": "/k.pem", "listen": ")" + tls + "\"}}";
  };
  const std::string fault = "tls.listen: has port 5000 like \"listen\"; write another port";
  EXPECT_EQ(fault_of(with("0.0.0.0:5000", "127.0.0.1:5000")), fault);
  EXPECT_EQ(fault_of(with("127.0.0.1:5000", ":5000")), fault);
  EXPECT_EQ(fault_of(with("127.0.0.1:5000", "127.0.0.1:5000")), fault);
  whole(with("127.0.0.1:5000", "127.0.0.2:5000"));
  whole(with("127.0.0.1:0", "127.0.0.1:0"));
  whole(R"({"listen": "127.0.0.1:5443", "tls": {"listen": "127.0.0.1:5443"}})");
}

TEST_F(ConfigTest, MessagesCarryNoControlCharacters) {
  const std::string fault = fault_of("{\"\\u001b[31m\": 1}");
  EXPECT_EQ(fault.find('\x1b'), std::string::npos) << fault;
}

TEST_F(ConfigTest, FaultsHaveTheirLine) {
  const ConfigOutcome outcome = parse_config(R"({
    "tags": {"fresh_for": 60,
      "rules": [
        {"images": ["python"], "fresh_for": "forever"},
        7]},
    "upstreams": [{"username": "me",
      "requests_per_minute": -1}],
    "cache.max_bytes": 1})");
  std::vector<std::string> places;
  for (const ConfigFault& fault : outcome.faults) {
    places.push_back(std::to_string(fault.line) + " " + fault.path);
  }
  EXPECT_EQ(places,
            (std::vector<std::string>{"2 tags.fresh_for", "4 tags.rules[0].images[0]",
                                      "5 tags.rules[1]", "7 upstreams[0].requests_per_minute",
                                      "8 cache.max_bytes", "6 upstreams[0].password_file"}));
}

TEST_F(ConfigTest, AFaultIsToldWithItsLineIfTheLineIsKnown) {
  EXPECT_EQ(to_string(ConfigFault{"listen", "is missing", 3}), "line 3, listen: is missing");
  EXPECT_EQ(to_string(ConfigFault{"/a.json", "can't be read"}), "/a.json: can't be read");
}

TEST_F(ConfigTest, ANumberAtTheEndOfALineIsOnThatLine) {
  const ConfigOutcome outcome = parse_config("{\"helper_threads\": 0\n}");
  ASSERT_EQ(outcome.faults.size(), 1U);
  EXPECT_EQ(outcome.faults[0].line, 1);
  const ConfigOutcome list = parse_config("{\"upstreams\": [\n7\n,\n8\n]}");
  ASSERT_EQ(list.faults.size(), 2U);
  EXPECT_EQ(list.faults[0].line, 2);
  EXPECT_EQ(list.faults[1].line, 4);
}

TEST_F(ConfigTest, RulesAndWindowsAreRead) {
  const Config config = whole(R"({
    "tags": {"rules": [{"images": ["python:3.12.*"], "fresh_for": "forever"},
                       {"images": ["*:latest", "acme/*:*"], "fresh_for": "10s"}]},
    "quota": {"reserve": 15},
    "upstream": {"windows": [{"window": "01:00-05:00", "max_rate": 0}]},
    "upstreams": [{"deny": ["library/x"], "parent": "http://big:5000", "max_downloads": 3,
                   "requests_per_minute": 0, "connections_per_blob": 2}]})");
  ASSERT_EQ(config.rules.tag_rules.size(), 2U);
  EXPECT_EQ(config.rules.tag_rules[0].fresh_for, policy::kForever);
  EXPECT_EQ(config.rules.tag_rules[1].images.size(), 2U);
  EXPECT_EQ(config.quota_reserve, (policy::QuotaReserve{0, 15}));
  EXPECT_EQ(config.upstream.windows[0].window, "01:00-05:00");
  EXPECT_EQ(config.upstreams[0].parent, "http://big:5000");
  EXPECT_EQ(config.upstreams[0].requests_per_minute, 0);
  EXPECT_EQ(config.upstreams[0].connections_per_blob, 2);
  const std::string shown = config_json(config);
  EXPECT_EQ(config_json(whole(shown)), shown);
}

TEST_F(ConfigTest, ObjectsOfListsAreChecked) {
  EXPECT_EQ(fault_of(R"({"tags": {"rules": {}}})"),
            "tags.rules: must be a list, [{ … }], not an object");
  EXPECT_EQ(fault_of(R"({"tags": {"rules": [{"images": ["a:b"]}]}})"),
            "tags.rules[0].fresh_for: is missing; it has no default");
  EXPECT_EQ(fault_of(R"({"upstream": {"windows": [{"window": "", "max_rate": 0}]}})"),
            "upstream.windows[0].window: is not a window of the day, such as \"01:00-05:00\"");
  EXPECT_NE(fault_of(R"({"tags": {"rules": [{"images": ["a:b"], "fresh_fr": "1s",
                      "fresh_for": "1s"}]}})")
                .find("\"tags.rules[].fresh_for\""),
            std::string::npos);
  EXPECT_TRUE(whole(R"({"tags": {"rules": []}})").rules.tag_rules.empty());
}

TEST_F(ConfigTest, QuotaReserveIsAShareOrANumber) {
  EXPECT_EQ(whole("").quota_reserve, (policy::QuotaReserve{20, 0}));
  EXPECT_EQ(whole(R"({"quota": {"reserve": "35%"}})").quota_reserve, (policy::QuotaReserve{35, 0}));
  EXPECT_NE(fault_of(R"({"quota": {"reserve": "2GiB"}})").find("\"20%\", or a whole number"),
            std::string::npos);
}

TEST_F(ConfigTest, ParentHasAnAddressOfItsOwn) {
  EXPECT_NE(upstream_fault(R"("url": "http://a", "parent": "http://a/")").find("is the same as"),
            std::string::npos);
  EXPECT_NE(upstream_fault(R"("parent_ca_file": "/a.pem")").find("upstreams[0].parent: is missing"),
            std::string::npos);
}

TEST_F(ConfigTest, AFileIsRead) {
  EXPECT_EQ(load_config(write("a.json", R"({"listen": ":7"})")).config.listen, ":7");
}

TEST_F(ConfigTest, AMissingFileIsAFault) {
  const ConfigOutcome outcome = load_config(folder_.path() + "/none.json");
  ASSERT_EQ(outcome.faults.size(), 1U);
  EXPECT_EQ(outcome.faults[0].path, folder_.path() + "/none.json");
}

TEST_F(ConfigTest, NamedFilesMustBeReadable) {
  const std::string missing = folder_.path() + "/none";
  const std::string empty = write("empty", "\n");
  const ConfigOutcome outcome =
      load_config(write("a.json", R"({"upstreams": [{"username": "me", "password_file": ")" +
                                      empty + R"(", "ca_file": ")" + missing + "\"}]}"));
  ASSERT_EQ(outcome.faults.size(), 2U) << all_of(outcome);
  EXPECT_EQ(outcome.faults[0].path, "upstreams[0].password_file");
  EXPECT_NE(outcome.faults[0].message.find("is empty"), std::string::npos);
  EXPECT_EQ(outcome.faults[1].path, "upstreams[0].ca_file");
}

TEST_F(ConfigTest, APasswordIsNeverShown) {
  const std::string file = write("password", "hunter2");
  const ConfigOutcome outcome = load_config(
      write("a.json", R"({"upstreams": [{"username": "me", "password_file": ")" + file + "\"}]}"));
  EXPECT_TRUE(outcome.faults.empty()) << all_of(outcome);
  EXPECT_EQ(config_json(outcome.config).find("hunter2"), std::string::npos);
}

TEST_F(ConfigTest, ShownConfigurationReadsBack) {
  const Config config = whole(R"({"tags": {"fresh_for": "1500ms"}, "shutdown_grace": "0s",
    "cache": {"max_bytes": 1048577, "min_free_bytes": 0}, "upstreams": [{"allow": ["a/b"]}]})");
  const std::string shown = config_json(config);
  EXPECT_EQ(config_json(whole(shown)), shown);
}

TEST_F(ConfigTest, DocsMatchTheReference) {
  std::ifstream file(LAYBY_SOURCE_DIR "/docs/configuration.md");
  const std::string docs{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(docs, config_reference())
      << "run: build/release/layby config reference > docs/configuration.md";
}

TEST_F(ConfigTest, SchemaNamesTheKeys) {
  const std::string schema = config_schema();
  EXPECT_NE(schema.find("\"fresh_for\""), std::string::npos);
  EXPECT_NE(schema.find("\"additionalProperties\": false"), std::string::npos);
}

}  // namespace
}  // namespace layby::app
