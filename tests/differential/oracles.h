// SPDX-License-Identifier: Apache-2.0
// The oracles: programs that we did not write, showing an image their way.
// They need root. Failures of the oracles themselves are exceptions.
#ifndef IMGMOUNT_TESTS_DIFFERENTIAL_ORACLES_H_
#define IMGMOUNT_TESTS_DIFFERENTIAL_ORACLES_H_

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tests/differential/facts.h"
#include "tests/differential/layer_spec.h"

namespace imgmount::testing {

// The kernel's overlayfs over one folder per layer, each extracted by GNU tar
// and converted as container engines do it: whiteouts become character devices
// 0:0, opaque directories get trusted.overlay.opaque.
//
// Where engines leave traces that the image does not ask for, the folders are
// put right first: a directory that the layer does not list gets the metadata
// of the one below, and one that is only there to hold markers and has none
// below is removed.
Facts OverlayFacts(std::span<const LayerSpec> layers,
                   const std::filesystem::path& folder);

enum class BlobCompression { kNone, kGzip, kZstd, kBzip2, kXz };
std::string Compress(const std::string& tar, BlobCompression how);

// An OCI image layout with one image, tagged "test".
void WriteOciLayout(std::span<const std::string> tars,
                    std::span<const BlobCompression> compressions,
                    const std::filesystem::path& layout);

// `umoci unpack` of such a layout.
Facts UmociFacts(const std::filesystem::path& layout,
                 const std::filesystem::path& bundle);

// `podman image mount` of such a layout, whose layers podman itself extracted;
// `folder` is for its storage.
Facts PodmanFacts(const std::filesystem::path& layout,
                  const std::filesystem::path& folder);
// Whether podman extracts these layers at all, and as the OCI spec has it:
// ARCHITECTURE.md, section 5, has the table of where it does not.
bool PodmanCan(std::span<const LayerSpec> layers);
// The layers without what podman changes: times before 1970 become 1970, and a
// hard link's own metadata goes to its target.
std::vector<LayerSpec> AsPodmanKeepsThem(std::span<const LayerSpec> layers);
bool PodmanIsThere();

// The mount that the tool imgmount makes of such a layout; `folder` is for its
// cache. The one subject among the oracles.
Facts MountFacts(const std::filesystem::path& imgmount,
                 const std::filesystem::path& layout,
                 const std::filesystem::path& folder);

// Runs a program to its end; returns what it printed to stderr, and whether it
// ended well.
struct Ran {
  bool ok;
  std::string errors;
};
Ran Run(const std::vector<std::string>& command,
        const std::filesystem::path& output = "/dev/null");

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_DIFFERENTIAL_ORACLES_H_
