// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the parsers of the PROXY protocol's header and of X-Forwarded-For. The input is parsed as
// the header and as the value of X-Forwarded-For. The pieces in which a header arrives don't change
// its result, and a parser that waits asks for more bytes than it has.

#include "server/proxy_header.h"

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "require.h"
#include "server/forwarded.h"

namespace layby::fuzz {
namespace {

using namespace layby::server;

void check_header(std::string_view bytes) {
  const ProxyHeaderResult whole = parse_proxy_header(bytes);
  if (const auto* header = std::get_if<ProxyHeader>(&whole)) {
    require(header->bytes <= bytes.size(), "a header ends in the bytes");
    require(header->bytes <= kMostProxyHeaderBytes, "a header keeps to the limit");
  }
  std::size_t least = 0;
  for (std::size_t size = 0; size < std::min<std::size_t>(bytes.size(), 600); ++size) {
    const ProxyHeaderResult part = parse_proxy_header(bytes.substr(0, size));
    if (const auto* unfinished = std::get_if<ProxyHeaderUnfinished>(&part)) {
      require(unfinished->least > size, "a wait is for more bytes");
      require(unfinished->least <= kMostProxyHeaderBytes, "a wait keeps to the limit");
      least = unfinished->least;
      continue;
    }
    require(size >= least, "a wait is for no more bytes than decide");
    require(part.index() == whole.index(), "cuts do not change the result");
    const auto* header = std::get_if<ProxyHeader>(&part);
    if (header == nullptr) continue;
    const auto& same = std::get<ProxyHeader>(whole);
    require(header->bytes == same.bytes && header->client == same.client,
            "cuts do not change the header");
  }
}

void check_forwarded(std::string_view list) {
  const std::vector<IpNetwork> proxies{*parse_ip_network("10.0.0.0/8")};
  const IpAddress proxy = *parse_ip_address("10.0.0.1");
  const IpAddress client = forwarded_client(proxy, list, proxies);
  const IpAddress forged = forwarded_client(proxy, "192.0.2.1," + std::string(list), proxies);
  require(client == forged || is_trusted(client, proxies),
          "what stands before the client does not count");
}

}  // namespace
}  // namespace layby::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = layby::fuzz::as_text(data, size);
  layby::fuzz::check_header(text);
  layby::fuzz::check_forwarded(text);
  return 0;
}
