// SPDX-License-Identifier: Apache-2.0
//
// Hand-written parsers of names and tags with one pass each, since std::regex recurses on long
// input. A valid repository has no "..", no empty part and no leading slash, so it is safe as a key
// and in an upstream path.

#include "layby/oci/reference.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

namespace layby::oci {
namespace {

constexpr std::size_t kMaxRepository = 255;
constexpr std::size_t kMaxTag = 128;

bool is_lower_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_tag_start(char c) { return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z') || c == '_'; }

// Whether `text` is ".", "_", "__" or any number of "-".
bool is_separator(std::string_view text) {
  return text == "." || text == "_" || text == "__" ||
         text.find_first_not_of('-') == std::string_view::npos;
}

// Whether `text` matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
bool is_name_component(std::string_view text) {
  std::size_t run = 0;  // Where the current run of separator characters began.
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_lower_alphanumeric(text[i])) {
      if (run < i && !is_separator(text.substr(run, i - run))) return false;
      run = i + 1;
    } else if (i == 0) {
      return false;
    }
  }
  return !text.empty() && run == text.size();
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether `text` is a host like "registry.example:5000", with or without a port.
bool is_lower_case_host(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  return text.size() <= kMaxRepository && is_name_component(text.substr(0, colon)) &&
         (colon == text.size() || is_port(text.substr(colon + 1)));
}

// This loose check is enough, because the host is then looked up among the names of the upstreams.
// `text` is not empty.
bool is_host(std::string_view text) {
  assert(!text.empty());
  const auto is_part = [](char c) { return is_tag_start(c) && c != '_'; };
  return is_part(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return is_part(c) || c == '.' || c == '-' || c == ':';
         });
}

}  // namespace

bool is_repository(std::string_view name) {
  if (name.size() > kMaxRepository) return false;
  std::size_t start = 0;
  while (true) {
    const std::size_t slash = std::min(name.find('/', start), name.size());
    if (!is_name_component(name.substr(start, slash - start))) return false;
    if (slash == name.size()) return true;
    start = slash + 1;
  }
}

bool looks_like_registry(std::string_view part) {
  return part == "localhost" ||
         std::any_of(part.begin(), part.end(), [](char c) { return c == '.' || c == ':'; });
}

QualifiedName split_registry(std::string_view name) {
  const std::size_t slash = name.find('/');
  const std::string_view first = name.substr(0, slash);
  if (slash == std::string_view::npos || !looks_like_registry(first)) {
    return {"", name};
  }
  return {first, name.substr(slash + 1)};
}

bool is_qualified_repository(std::string_view name) {
  if (is_repository(name)) return true;
  const QualifiedName parts = split_registry(name);
  return !parts.registry.empty() && is_lower_case_host(parts.registry) &&
         is_repository(parts.repository);
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTag || !is_tag_start(tag.front())) return false;
  return std::all_of(tag.begin(), tag.end(),
                     [](char c) { return is_tag_start(c) || c == '.' || c == '-'; });
}

bool is_docker_hub(std::string_view registry) {
  return registry == "docker.io" || registry == "registry-1.docker.io" ||
         registry == "index.docker.io";
}

std::string with_library(std::string_view repository) {
  const bool has_namespace = repository.find('/') != std::string_view::npos;
  return (has_namespace ? "" : "library/") + std::string(repository);
}

std::optional<Reference> parse_reference(std::string_view text) {
  if (std::optional<Digest> digest = Digest::parse(text)) return Reference(*std::move(digest));
  if (is_tag(text)) return Reference(Tag(text));
  return std::nullopt;
}

std::optional<ImageName> parse_image_name(std::string_view text) {
  ImageName name{"docker.io", "", Tag("latest")};
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  const bool has_registry = slash != std::string_view::npos && looks_like_registry(first);
  if (has_registry) {
    if (!is_host(first)) return std::nullopt;
    name.registry = is_docker_hub(first) ? "docker.io" : std::string(first);
    text.remove_prefix(slash + 1);
  }
  // If a name has a tag and a digest, the digest is the reference.
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    const auto digest = Digest::parse(text.substr(at + 1));
    if (!digest) return std::nullopt;
    name.reference = *digest;
    text = text.substr(0, at);
  }
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    const std::string_view tag = text.substr(colon + 1);
    if (!is_tag(tag)) return std::nullopt;
    if (std::holds_alternative<Tag>(name.reference)) name.reference = Tag(tag);
    text = text.substr(0, colon);
  }
  if (!is_repository(text)) return std::nullopt;
  name.repository = name.registry == "docker.io" ? with_library(text) : std::string(text);
  // The added "library/" may make the repository too long.
  if (!is_repository(name.repository)) return std::nullopt;
  return name;
}

std::string to_string(const ImageName& name) {
  constexpr std::string_view kLibrary = "library/";
  const bool of_hub = name.registry == "docker.io";
  // "foo.bar/x" without "docker.io/" would name a repository of the registry foo.bar.
  const bool misleads = !split_registry(name.repository).registry.empty();
  std::string text = of_hub && !misleads ? "" : name.registry + "/";
  // "library/a/b" without "library/" would name another repository.
  const bool official = of_hub && name.repository.starts_with(kLibrary) &&
                        name.repository.find('/', kLibrary.size()) == std::string::npos;
  text += official ? name.repository.substr(kLibrary.size()) : name.repository;
  text += std::holds_alternative<Digest>(name.reference) ? '@' : ':';
  return text + to_string(name.reference);
}

std::string to_string(const Reference& reference) {
  const auto* digest = std::get_if<Digest>(&reference);
  return digest != nullptr ? digest->str() : std::get<Tag>(reference);
}

}  // namespace layby::oci
