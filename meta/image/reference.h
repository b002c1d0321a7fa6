// SPDX-License-Identifier: Apache-2.0
// Image references: "nginx", "user/app:1.2", "localhost:5000/x@sha256:…".
//
// The rules and defaults are Docker's (distribution/reference): a first
// component with a dot, a colon or the name "localhost" is a host; otherwise
// the host is docker.io, and a single component there gets "library/". Values.
#ifndef IMGMOUNT_META_IMAGE_REFERENCE_H_
#define IMGMOUNT_META_IMAGE_REFERENCE_H_

#include <optional>
#include <string>
#include <string_view>

#include "meta/base/digest.h"
#include "meta/base/result.h"

namespace imgmount {

struct Reference {
  std::string registry;    // "docker.io", "localhost:5000", "[::1]:5000"
  std::string repository;  // "library/nginx"
  std::optional<std::string> tag;  // "latest" when neither tag nor digest given
  std::optional<Digest> digest;    // wins over the tag when both are given

  // kUsage with what is wrong and where.
  static Result<Reference> Parse(std::string_view text);

  // Whether the text begins with a registry: "localhost/x", not "user/x".
  static bool NamesRegistry(std::string_view text);

  // "docker.io/library/nginx:latest"; with digest "…@sha256:…" (both kept).
  std::string Canonical() const;
  // As Docker shows it: "nginx:latest", "localhost:5000/x@sha256:…".
  std::string Familiar() const;
  // Familiar, without tag and digest: "nginx", "user/app".
  std::string FamiliarName() const;
  // Without the tag where there is a digest: what Docker's engine is asked for,
  // and names in what it says.
  Reference Effective() const;
  // The word to ask the registry for: the digest, else the tag.
  std::string Selector() const;

  bool operator==(const Reference&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_REFERENCE_H_
