// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/suggestion.h"

#include <algorithm>
#include <string>
#include <vector>

#include "fetch/archive/image_file.h"
#include "fetch/source/transport.h"
#include "meta/image/reference.h"
#include "meta/store/image_names.h"

namespace imgmount {

namespace {

bool IsFile(Transport transport) {
  return transport == Transport::kOciLayout ||
         transport == Transport::kOciArchive ||
         transport == Transport::kDockerArchive;
}

Error With(const Error& error, const std::string& suggestion) {
  return Error(error.code(), error.message() + suggestion,
               error.error_number());
}

bool IsPath(std::string_view image) {
  return image.starts_with('/') || image.starts_with("./") ||
         image.starts_with("../");
}

// To go behind a message; "": nothing else was meant.
std::string DidYouMeanTransport(std::string_view image) {
  const auto name = ImageName::Parse(image);
  if (!name) return "";
  std::string path = name->path;
  std::string reference = name->reference;
  if (name->transport == Transport::kRegistry && !name->explicitly_docker) {
    const size_t colon = std::min(image.find(':'), image.size());
    path = image.substr(0, colon);
    reference = image.substr(std::min(colon + 1, image.size()));
  }
  if (path.empty()) return "";
  std::string meant = TransportOf(path);
  if (meant.empty() && IsPath(image)) {
    return "; what is on disk is named oci:DIR, oci-archive:FILE or "
           "docker-archive:FILE";
  }
  // Either kind of archive suggests the other.
  const bool is_archive = name->transport == Transport::kOciArchive ||
                          name->transport == Transport::kDockerArchive;
  if (meant.empty() || image.starts_with(meant) ||
      (is_archive && meant != "oci:")) {
    return "";
  }
  meant += path;
  if (!reference.empty()) meant += ':' + reference;
  return "; did you mean " + meant + "?";
}

}  // namespace

Error WithTransport(const Error& error, std::string_view image) {
  return With(error, DidYouMeanTransport(image));
}

Error WithSuggestion(const Error& error, std::string_view name,
                     const Cache& cache) {
  if (error.code() != ErrorCode::kNotFound &&
      error.code() != ErrorCode::kDenied) {
    return error;
  }
  // A name typed without a tag is shown with one.
  const auto reference = Reference::Parse(name);
  const std::string meant = DidYouMeanTransport(
      reference ? reference->FamiliarName() : std::string(name));
  if (!meant.empty()) return With(error, meant);
  const auto parsed = ImageName::Parse(name);
  const auto images = cache.List();
  if (!images || !parsed || IsFile(parsed->transport)) return error;
  std::vector<std::string> names;
  for (const auto& image : *images) names.push_back(ShownName(image.name));
  return With(error, DidYouMeanImage(name, names));
}

}  // namespace imgmount
