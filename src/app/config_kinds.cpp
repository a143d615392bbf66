// SPDX-License-Identifier: Apache-2.0
//
// The patterns of the schemas are as strict as a regular expression can be in a line or two. The
// reader (config_value.h) is stricter.

#include "app/config_kinds.h"

#include <string>

namespace layby::app {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_bytes() {
  return {{"oneOf",
           {{{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)? ?([KMGTkmgt]?[iI]?[bB])?$"}},
            {{"type", "integer"}, {"minimum", 0}}}}};
}

Json texts(const Key& key, const char* pattern) {
  return {{"type", "array"},
          {"minItems", key.range.least},
          {"items", {{"type", "string"}, {"pattern", pattern}}}};
}

constexpr const char* kWindowPattern = "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$";

Json rate() {
  return {{"oneOf",
           {{{"type", "string"}, {"pattern", "^[0-9]+(\\.[0-9]+)? ?([KMGTkmgt]?[iI]?[bB])?(/s)?$"}},
            {{"type", "integer"}, {"minimum", 0}}}}};
}

Json size_limit() {
  Json schema = text_or_bytes();
  schema["oneOf"].push_back({{"type", "string"}, {"pattern", "^[0-9]{1,3}%$"}});
  return schema;
}

}  // namespace

KindWords words_of(const Key& key) {
  const Json text = {{"type", "string"}};
  switch (key.kind) {
    case Kind::kAddress:
      return {"address and port", text};
    case Kind::kDirectory:
    case Kind::kSocketPath:
      return {"absolute path", text};
    case Kind::kFile:
    case Kind::kReadableFile:
      return {"absolute path, or empty", text};
    case Kind::kUrl:
      return {"http or https URL", {{"type", "string"}, {"pattern", "^https?://"}}};
    case Kind::kOptionalUrl:
      return {"http or https URL, or empty", {{"type", "string"}, {"pattern", "^(https?://.*)?$"}}};
    case Kind::kName:
      return {"host", {{"type", "string"}, {"pattern", "^[a-z0-9.:_-]+$"}}};
    case Kind::kUser:
      return {"text, or empty", text};
    case Kind::kLevel:
      return {"level", {{"enum", {"debug", "info", "warn", "error"}}}};
    case Kind::kPatterns:
      return {"list of patterns", texts(key, "^[a-z0-9._/*-]+$")};
    case Kind::kImagePatterns:
      return {"list of patterns", texts(key, "^[^:@]+:[^:@]+$")};
    case Kind::kTagPatterns:
      return {"list of patterns", texts(key, ".")};
    case Kind::kPlatforms:
      return {"list of platforms", texts(key, "^[^/]+/[^/]+(/[^/]+)?$")};
    case Kind::kHosts:
      return {"list of host names", texts(key, "^[a-z0-9_-][a-z0-9._-]*$")};
    case Kind::kNetworks:
      return {"list of networks", texts(key, "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$")};
    case Kind::kImage:
      return {"image", {{"type", "string"}, {"pattern", "^[^@]+$"}}};
    case Kind::kWindow:
      return {"window of the day", {{"type", "string"}, {"pattern", kWindowPattern}}};
    case Kind::kOptionalWindow:
      return {"window of the day, or empty",
              {{"type", "string"}, {"pattern", "^$|" + std::string(kWindowPattern)}}};
    case Kind::kFlag:
      return {"true or false", {{"type", "boolean"}}};
    case Kind::kCountLimit:
      return {"number or share",
              {{"oneOf",
                {{{"type", "integer"}, {"minimum", 0}},
                 {{"type", "string"}, {"pattern", "^[0-9]{1,3}%$"}}}}}};
    case Kind::kRate:
      return {"rate", rate()};
    case Kind::kLifetime:
      return {"duration, or `forever`",
              {{"type", "string"}, {"pattern", "^([0-9]+ ?(ms|s|m|h|d)|forever)$"}}};
    case Kind::kCount:
      return {"number", {{"type", "integer"}}};
    case Kind::kBytes:
      return {"size", text_or_bytes()};
    case Kind::kSizeLimit:
      return {"size or share", size_limit()};
    case Kind::kDuration:
      return {"duration", {{"type", "string"}, {"pattern", "^[0-9]+ ?(ms|s|m|h|d)$"}}};
    case Kind::kObjects:
      return {"list of objects", {{"type", "array"}, {"minItems", key.range.least}}};
  }
  return {"", Json::object()};
}

}  // namespace layby::app
