// SPDX-License-Identifier: Apache-2.0
// Which entry of an index is the image: one rule, wherever the index is from.
//
// An entry is left out when its descriptor says that it is no image: another
// media type, an artifactType that is no image's config's (OCI descriptor.md),
// an attestation. Of the others those whose platform fits come first, best
// first, as containerd's platforms.Only orders them, and those without
// os.features that we lack before those with; then those that tell no
// platform, whose configs decide. One that turns out to be no image that can
// be read (a signature, a format of its own) gives way to the next.
#ifndef IMGMOUNT_META_IMAGE_SELECT_IMAGE_H_
#define IMGMOUNT_META_IMAGE_SELECT_IMAGE_H_

#include <functional>
#include <string>
#include <vector>

#include "meta/image/image.h"
#include "meta/image/manifest.h"
#include "meta/image/platform.h"

namespace imgmount {

// Indexes within indexes.
inline constexpr int kMaxIndexDepth = 4;

// A manifest or index as it was served.
struct ImageDocument {
  std::string bytes;
  std::string media_type;  // "": unknown
  Digest digest;           // verified against bytes
};

// Where documents come from: each verified against the digest, not the size.
struct DocumentReader {
  using Read = std::function<Result<std::string>(const Descriptor&)>;
  Read manifest;  // or index
  Read config;

  // Documents that are found by their digest; `read` takes at most `limit`
  // bytes.
  static DocumentReader ByDigest(
      std::function<Result<std::string>(const Digest&, size_t limit)> read);
};

// The same with the size checked; kCorrupt tells both.
Result<std::string> ReadDocument(const DocumentReader::Read& read,
                                 const Descriptor& descriptor);

// Whether the descriptor alone leaves it open that this is an image.
bool MayBeImage(const Descriptor& entry);

// Candidates for a platform's image, best first. kNotFound lists the platforms
// that there are; kUnsupported: nothing is an image.
Result<std::vector<Descriptor>> CandidatesFor(const Index& index,
                                              const Platform& wanted);

// The image of a document: a manifest's own, whatever its platform, or the
// platform's of an index. kNotFound lists the platforms that there are.
Result<Image> SelectImage(const ImageDocument& top, const Platform& wanted,
                          const DocumentReader& read);

// The platforms there are images for, each once, in the index's order; of a
// manifest the one that its config tells.
Result<std::vector<Platform>> PlatformsOf(const ImageDocument& top,
                                          const DocumentReader& read);

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_SELECT_IMAGE_H_
