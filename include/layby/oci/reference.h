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

// Whether `name` matches [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/…)* and has at most 255 characters.
bool is_repository(std::string_view name);

// Whether `part`, the first part of a name, is a registry and not part of the repository. A
// registry has a dot or a colon, or is "localhost" (docker's rule, distribution/reference).
bool looks_like_registry(std::string_view part);

// The parts of a name: "ghcr.io" and "acme/tool" of "ghcr.io/acme/tool". The registry is empty when
// the name has only one part, or when the first part doesn't look like a registry.
struct QualifiedName {  // Views into the name that was split.
  std::string_view registry;
  std::string_view repository;
  bool operator==(const QualifiedName&) const = default;
};
QualifiedName split_registry(std::string_view name);

// Whether `name` is a repository, alone or after a registry in lower case:
// "registry.example:5000/acme/tool". (The grammar of a repository allows a host but no port.)
bool is_qualified_repository(std::string_view name);

// Whether `tag` matches [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}.
bool is_tag(std::string_view tag);

// Whether `registry` names Docker Hub: by "docker.io", as clients do, or by a host of Docker Hub.
bool is_docker_hub(std::string_view registry);

// The full name on Docker Hub: "library/debian" for "debian". A name with a slash is unchanged.
std::string with_library(std::string_view repository);

using Tag = std::string;
using Reference = std::variant<Tag, Digest>;

// Returns nullopt when `text` is neither a tag nor a digest.
std::optional<Reference> parse_reference(std::string_view text);

std::string to_string(const Reference& reference);

// An image's name as users give it to docker: "debian:12", "ghcr.io/acme/tool@sha256:…".
struct ImageName {
  std::string registry;    // "docker.io" by default
  std::string repository;  // "library/debian"
  Reference reference;     // "latest" by default
  bool operator==(const ImageName&) const = default;
};

// Returns nullopt when `text` is not an image name. The part before the first slash is the registry
// if the part looks like a registry.
std::optional<ImageName> parse_image_name(std::string_view text);

// The shortest name that parses to the same image. The tag or the digest is always written.
std::string to_string(const ImageName& name);

}  // namespace layby::oci

#endif  // LAYBY_OCI_REFERENCE_H_
