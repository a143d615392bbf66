// SPDX-License-Identifier: Apache-2.0
//
// Repository names, tags, and the reference of a manifest: a tag or a digest
// (OCI distribution-spec 1.1, "Pulling manifests").

#ifndef LAYBY_OCI_REFERENCE_H_
#define LAYBY_OCI_REFERENCE_H_

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "layby/oci/digest.h"

namespace layby::oci {

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/…)*, at most 255 characters.
bool is_repository(std::string_view name);

// Whether the first part of a name says a registry, not a repository: it has a dot or a
// colon or is "localhost" (docker's rule, distribution/reference).
bool looks_like_registry(std::string_view part);

// "ghcr.io/acme/tool" as "ghcr.io" and "acme/tool"; no registry where the first part
// isn't one, or is all there is.
struct QualifiedName {  // Parts of what was split.
  std::string_view registry;
  std::string_view repository;
  bool operator==(const QualifiedName&) const = default;
};
QualifiedName split_registry(std::string_view name);

// A repository, also with a registry in lower case before it, whose port isn't part of a
// repository's grammar: "registry.example:5000/acme/tool".
bool is_qualified_repository(std::string_view name);

// [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}
bool is_tag(std::string_view tag);

// Whether a registry's name is one of Docker Hub's: "docker.io", as clients call it, or
// a host of its own.
bool is_docker_hub(std::string_view registry);

// "debian" as Docker Hub means it: "library/debian". Others stay as they are.
std::string with_library(std::string_view repository);

using Tag = std::string;
using Reference = std::variant<Tag, Digest>;

// nullopt when it is neither a tag nor a digest.
std::optional<Reference> parse_reference(std::string_view text);

std::string to_string(const Reference& reference);

// An image as people name it for docker: "debian:12", "ghcr.io/acme/tool@sha256:…".
struct ImageName {
  std::string registry;    // "docker.io" where none is written
  std::string repository;  // "library/debian"
  Reference reference;     // "latest" where none is written
  bool operator==(const ImageName&) const = default;
};

// nullopt when it is none. The part before the first slash is a registry when it looks
// like one.
std::optional<ImageName> parse_image_name(std::string_view text);

// The shortest name that parses to the same.
std::string to_string(const ImageName& name);

}  // namespace layby::oci

#endif  // LAYBY_OCI_REFERENCE_H_
