// SPDX-License-Identifier: Apache-2.0
// Every way to have one name in three layers, against the kernel's overlayfs
// and umoci.
//
// Each combination has a folder of its own in one image of three layers, so
// that a few runs of the oracles answer for thousands of combinations.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/differential/facts.h"
#include "tests/differential/layer_spec.h"
#include "tests/differential/oracles.h"
#include "tests/differential/pipeline.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

using ::testing::IsEmpty;

constexpr size_t kLayers = 3;
constexpr size_t kAbsent = 0;  // of Variants()

enum VariantFlags : unsigned {
  // All triples of these are tried; of the others, all pairs with any.
  kCore = 1,
  // Goes into n without saying that it is a directory.
  kUnlisted = 2,
  // Leaves something in n that is no directory.
  kOther = 4,
  // umoci shows a device there.
  kNotForUmoci = 8,
};

// Puts one way of having the name n into layer `k`, under the folder `t`,
// where layer 0 has a file "base" and a directory "dir".
struct Variant {
  const char* name;
  std::function<void(LayerSpec& layer, const std::string& t, size_t k)> add;
  unsigned flags = 0;
};

std::string Text(size_t k) { return fmt::format("of layer {}", k); }

SpecEntry& AddDir(LayerSpec& layer, const std::string& path, size_t k) {
  SpecEntry& dir = layer.Add(SpecKind::kDirectory, path);
  dir.mode = 0700 + static_cast<uint32_t>(k);
  dir.uid = static_cast<uint32_t>(k) + 10;
  dir.mtime = static_cast<int64_t>(k) + 100;
  dir.xattrs = {{"user.layer", std::to_string(k)}};
  return dir;
}

void AddDirWithChildren(LayerSpec& layer, const std::string& path, size_t k) {
  AddDir(layer, path, k);
  layer.Add(SpecKind::kFile, path + "/c", Text(k));
  layer.Add(SpecKind::kFile, path + fmt::format("/c{}", k), Text(k));
  AddDir(layer, path + "/sub", k);
  layer.Add(SpecKind::kFile, path + fmt::format("/sub/c{}", k), Text(k));
}

std::vector<Variant> Variants() {
  using Kind = SpecKind;
  return {
      {"absent", [](LayerSpec&, const std::string&, size_t) {}, kCore},
      {"file",
       [](LayerSpec& l, const std::string& t, size_t k) {
         l.Add(Kind::kFile, t + "/n", Text(k)).mtime = static_cast<int64_t>(k);
       },
       kCore | kOther},
      {"directory",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDirWithChildren(l, t + "/n", k);
       },
       kCore},
      {"unlisted directory",
       [](LayerSpec& l, const std::string& t, size_t k) {
         l.Add(Kind::kFile, t + fmt::format("/n/u{}", k), Text(k));
       },
       kUnlisted},
      {"symlink",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kSymlink, t + "/n", "base");
       },
       kCore | kOther},
      {"symlink to a directory",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kSymlink, t + "/n", "dir");
       },
       kOther},
      {"device",
       [](LayerSpec& l, const std::string& t, size_t k) {
         SpecEntry& e = l.Add(Kind::kCharDevice, t + "/n");
         e.major = 1;
         e.minor = static_cast<uint32_t>(k) + 3;
       },
       kCore | kOther},
      {"character device 0:0",
       [](LayerSpec& l, const std::string& t, size_t k) {
         // In a directory that only one layer has, overlayfs lists it.
         if (k != 0) l.Add(Kind::kCharDevice, t + "/n");
       },
       kCore | kNotForUmoci},
      {"fifo",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kFifo, t + "/n");
       },
       kOther},
      {"link in the layer",
       [](LayerSpec& l, const std::string& t, size_t k) {
         const std::string peer = t + fmt::format("/peer{}", k);
         l.Add(Kind::kFile, peer, Text(k));
         l.Add(Kind::kHardLink, t + "/n", peer);
       },
       kCore | kOther},
      {"link to the lowest layer",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kHardLink, t + "/n", t + "/base");
       },
       kCore | kOther},
      {"rename",
       [](LayerSpec& l, const std::string& t, size_t k) {
         const std::string from = t + fmt::format("/from{}", k);
         l.Add(Kind::kHardLink, t + "/n", from);
         if (k != 0) l.Add(Kind::kWhiteout, from);
       },
       kOther},
      {"whiteout",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kWhiteout, t + "/n");
       },
       kCore},
      {"whiteout, then file",
       [](LayerSpec& l, const std::string& t, size_t k) {
         l.Add(Kind::kWhiteout, t + "/n");
         l.Add(Kind::kFile, t + "/n", Text(k));
       },
       kOther},
      {"file, then whiteout",
       [](LayerSpec& l, const std::string& t, size_t k) {
         l.Add(Kind::kFile, t + "/n", Text(k));
         l.Add(Kind::kWhiteout, t + "/n");
       },
       kOther},
      {"directory, then whiteout",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDirWithChildren(l, t + "/n", k);
         l.Add(Kind::kWhiteout, t + "/n");
       }},
      {"whiteout, then directory",
       [](LayerSpec& l, const std::string& t, size_t k) {
         l.Add(Kind::kWhiteout, t + "/n");
         AddDirWithChildren(l, t + "/n", k);
       }},
      {"opaque directory",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDir(l, t + "/n", k);
         l.Add(Kind::kOpaque, t + "/n");
         l.Add(Kind::kFile, t + fmt::format("/n/o{}", k), Text(k));
       },
       kCore},
      {"opaque directory, marker last",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDirWithChildren(l, t + "/n", k);
         l.Add(Kind::kOpaque, t + "/n");
       }},
      {"opaque marker only",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kOpaque, t + "/n");
       },
       kUnlisted},
      {"opaque directory above",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDir(l, t + "/n", k);
         l.Add(Kind::kOpaque, t + "/n");
         l.Add(Kind::kWhiteout, t + "/n/sub");
         l.Add(Kind::kFile, t + "/n/sub/x", Text(k));
       }},
      {"whiteout of a child",
       [](LayerSpec& l, const std::string& t, size_t k) {
         AddDir(l, t + "/n", k);
         l.Add(Kind::kWhiteout, t + "/n/c");
       }},
      {"whiteout of a child, unlisted",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kWhiteout, t + "/n/c");
       },
       kUnlisted},
      {"whiteout of it and of a child",
       [](LayerSpec& l, const std::string& t, size_t) {
         l.Add(Kind::kWhiteout, t + "/n");
         l.Add(Kind::kWhiteout, t + "/n/sub");
       }},
  };
}

class Combinations : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "the oracles need root: overlayfs mounts, mknod";
    }
  }

  using Choice = std::array<size_t, kLayers>;
  // Adds all combinations that `wanted` lets through to the image.
  void Build(const std::function<bool(const Choice&)>& wanted) {
    const auto variants = Variants();
    const size_t n = variants.size();
    for (size_t i = 0; i < n * n * n; ++i) {
      const Choice choice = {i / (n * n), i / n % n, i % n};
      const auto is_core = [&](size_t v) {
        return (variants[v].flags & kCore) != 0;
      };
      if (std::count(choice.begin(), choice.end(), kAbsent) == 0 &&
          !std::all_of(choice.begin(), choice.end(), is_core)) {
        continue;
      }
      if (!wanted(choice)) continue;
      const std::string t =
          fmt::format("{}, {}, {}", variants[choice[0]].name,
                      variants[choice[1]].name, variants[choice[2]].name);
      layers_[0].Add(SpecKind::kDirectory, t);
      layers_[0].Add(SpecKind::kFile, t + "/base", "base");
      layers_[0].Add(SpecKind::kDirectory, t + "/dir");
      layers_[0].Add(SpecKind::kFile, t + "/dir/c", "in dir");
      for (size_t k = 0; k < kLayers; ++k) {
        layers_[0].Add(SpecKind::kFile, t + fmt::format("/from{}", k), Text(k));
        variants[choice[k]].add(layers_[k], t, k);
      }
    }
    for (const LayerSpec& layer : layers_) tars_.push_back(layer.Tar());
  }

  Facts Ours() { return OurFacts(tars_, tars_, folder_.path()); }

  TemporaryFolder folder_;
  std::array<LayerSpec, kLayers> layers_;
  std::vector<std::string> tars_;
};

TEST_F(Combinations, AreAsOverlayfsShowsThem) {
  Build([](const Choice&) { return true; });
  const Facts ours = Ours();
  EXPECT_GT(ours.size(), 10'000u);
  EXPECT_THAT(Compare(ours, OverlayFacts(layers_, folder_.path() / "overlay"),
                      {.ignore_nlink = true}),
              IsEmpty());
}

TEST_F(Combinations, AreAsUmociUnpacksThem) {
  const auto variants = Variants();
  // Left out is what umoci does its own way: into a lower symlink it goes, also
  // to hide what that leads to; at a lower file it fails.
  const auto is_way_of_umoci = [&](const Choice& choice, size_t upper) {
    return (variants[choice[upper]].flags & kUnlisted) != 0 &&
           std::any_of(choice.begin(),
                       choice.begin() + static_cast<ptrdiff_t>(upper),
                       [&](size_t v) { return variants[v].flags & kOther; });
  };
  Build([&](const Choice& choice) {
    return !is_way_of_umoci(choice, 1) && !is_way_of_umoci(choice, 2) &&
           std::none_of(choice.begin(), choice.end(), [&](size_t v) {
             return (variants[v].flags & kNotForUmoci) != 0;
           });
  });
  const std::vector<BlobCompression> compressions = {
      BlobCompression::kNone, BlobCompression::kGzip, BlobCompression::kGzip};
  const auto layout = folder_.path() / "layout";
  WriteOciLayout(tars_, compressions, layout);
  const int64_t start = ::time(nullptr);
  EXPECT_THAT(Compare(Ours(), UmociFacts(layout, folder_.path() / "bundle"),
                      {.relax_implicit = true, .clock_from = start}),
              IsEmpty());
}

}  // namespace
}  // namespace imgmount::testing
