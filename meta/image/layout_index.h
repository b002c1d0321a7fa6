// SPDX-License-Identifier: Apache-2.0
// The index.json of an OCI image layout (image-layout.md): which images it
// has, and what a name in it stands for.
//
// It is an image index like any other, but that its entries have names, and
// one name may stand for several entries: the platforms of one image.
#ifndef IMGMOUNT_META_IMAGE_LAYOUT_INDEX_H_
#define IMGMOUNT_META_IMAGE_LAYOUT_INDEX_H_

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "meta/image/manifest.h"
#include "meta/image/select_image.h"

namespace imgmount {

inline constexpr char kRefNameAnnotation[] =
    "org.opencontainers.image.ref.name";
// containerd and Docker write the whole name here, and its tag there.
inline constexpr char kContainerdNameAnnotation[] = "io.containerd.image.name";

// "" where it has none.
std::string RefName(const Descriptor& entry);
std::string ContainerdName(const Descriptor& entry);

// An image of a layout: one entry, or several of the same names, of which the
// platform decides.
struct LayoutImage {
  std::vector<Descriptor> entries;  // at least one

  std::string ref_name() const { return RefName(entries.front()); }
  std::string full_name() const { return ContainerdName(entries.front()); }
};

// All images. What is none is left out: by its descriptor, and where there are
// several entries by its document (signatures, SBOMs). So are entries without
// a name that another entry's index lists. Entries without a name are one
// image if each is for another platform.
Result<std::vector<LayoutImage>> ImagesOfLayout(
    std::span<const Descriptor> entries, const DocumentReader& read);

// The entries that a selector stands for: a name of either kind, a digest, "@N"
// (the entry's number, as skopeo has it), or "" for the only image. kNotFound
// lists the images that there are, by what selects them.
Result<std::vector<Descriptor>> FindInLayout(
    std::span<const Descriptor> entries, std::string_view selector,
    const DocumentReader& read);

// Their document: that of the only one, or an index of them.
Result<ImageDocument> DocumentOf(const std::vector<Descriptor>& entries,
                                 const DocumentReader& read);

// The document that a selector stands for. A digest may also be that of one
// below the entries.
Result<ImageDocument> FindLayoutDocument(std::span<const Descriptor> entries,
                                         std::string_view selector,
                                         const DocumentReader& read);

nlohmann::ordered_json DescriptorJson(const Descriptor& descriptor);
// The bytes of an index.json with these.
std::string LayoutIndexJson(std::span<const Descriptor> entries);

// Words to choose from, to go behind a message: a few on its line, more one a
// line.
std::string ChoiceOf(const std::vector<std::string>& words);

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_LAYOUT_INDEX_H_
