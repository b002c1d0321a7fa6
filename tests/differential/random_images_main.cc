// SPDX-License-Identifier: Apache-2.0
// Compares random images with the oracles.
//
//   random_images [--seed N] [--count M] [--imgmount TOOL]
//
// With --imgmount also compares what that tool mounts. Images N … N+M-1. Most
// are tried together, each in a folder of its own in one image, since starting
// the oracles takes longer than what they do; every twentieth alone. On a
// difference the image is tried alone, and its seed, its layers and what
// differs are printed; `--seed THAT --count 1` repeats it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/facts.h"
#include "tests/differential/oracles.h"
#include "tests/differential/pipeline.h"
#include "tests/differential/random_image.h"
#include "tests/support/tar_builder.h"

namespace imgmount::testing {
namespace {

constexpr uint64_t kBatch = 100;
constexpr uint64_t kAloneEvery = 20;

using Differences = std::vector<std::string>;

// An image's layers as tars and as published, in all compressions.
struct Blobs {
  Blobs(std::span<const LayerSpec> layers, uint64_t seed) {
    for (const LayerSpec& layer : layers) {
      tars.push_back(layer.Tar());
      compressions.push_back(
          static_cast<BlobCompression>((seed + tars.size()) % 5));
      blobs.push_back(Compress(tars.back(), compressions.back()));
    }
  }
  std::vector<std::string> tars;
  std::vector<BlobCompression> compressions;
  std::vector<std::string> blobs;
};

Differences AgainstOverlay(std::span<const LayerSpec> layers, uint64_t seed) {
  const TemporaryFolder folder;
  const Blobs image(layers, seed);
  return Compare(OurFacts(image.blobs, image.tars, folder.path()),
                 OverlayFacts(layers, folder.path() / "overlay"),
                 {.ignore_nlink = true});
}

Differences AgainstUmoci(std::span<const LayerSpec> layers, uint64_t seed) {
  const TemporaryFolder folder;
  const Blobs image(layers, seed);
  const auto layout = folder.path() / "layout";
  // umoci 0.4 does not read the others.
  WriteOciLayout(
      image.tars,
      std::vector<BlobCompression>(layers.size(), BlobCompression::kGzip),
      layout);
  const int64_t start = ::time(nullptr);
  return Compare(OurFacts(image.blobs, image.tars, folder.path()),
                 UmociFacts(layout, folder.path() / "bundle"),
                 {.relax_implicit = true, .clock_from = start});
}

Differences AgainstPodman(std::span<const LayerSpec> given, uint64_t seed) {
  const TemporaryFolder folder;
  const auto layers = AsPodmanKeepsThem(given);
  const Blobs image(layers, seed);
  const auto layout = folder.path() / "layout";
  WriteOciLayout(image.tars, image.compressions, layout);
  const int64_t start = ::time(nullptr);
  return Compare(OurFacts(image.blobs, image.tars, folder.path()),
                 PodmanFacts(layout, folder.path() / "podman"),
                 {.relax_implicit = true,
                  .ignore_nlink = true,
                  .relax_unlisted = true,
                  .ignore_root = true,
                  .clock_from = start});
}

std::filesystem::path g_imgmount;  // where the tool is; empty: not tried

// Is what FUSE shows what the tree says?
Differences AgainstMount(std::span<const LayerSpec> layers, uint64_t seed) {
  if (g_imgmount.empty()) return {};
  const TemporaryFolder folder;
  const Blobs image(layers, seed);
  const auto layout = folder.path() / "layout";
  WriteOciLayout(image.tars, image.compressions, layout);
  return Compare(OurFacts(image.blobs, image.tars, folder.path()),
                 MountFacts(g_imgmount, layout, folder.path()));
}

struct Oracle {
  const char* name;
  std::function<bool(const RandomImage&)> can;
  std::function<Differences(std::span<const LayerSpec>, uint64_t)> ask;
};

const std::vector<Oracle>& Oracles() {
  static const std::vector<Oracle> oracles = {
      {"overlayfs", &RandomImage::for_overlay, AgainstOverlay},
      {"umoci", &RandomImage::for_umoci, AgainstUmoci},
      {"podman",
       [](const RandomImage& image) {
         static const bool is_there = PodmanIsThere();
         return is_there && PodmanCan(image.layers);
       },
       AgainstPodman},
      {"the mount", [](const RandomImage&) { return true; }, AgainstMount}};
  return oracles;
}

std::map<std::string, size_t> g_asked;  // how many images, by oracle

Differences Ask(const Oracle& oracle, std::span<const LayerSpec> layers,
                uint64_t seed) {
  try {
    return oracle.ask(layers, seed);
  } catch (const std::exception& e) {
    return {e.what()};
  }
}

// Whether image `seed` alone is as all oracles say.
bool TryAlone(uint64_t seed) {
  const RandomImage image = MakeRandomImage(seed, "");
  bool good = true;
  for (const Oracle& oracle : Oracles()) {
    if (!oracle.can(image)) continue;
    const Differences differences = Ask(oracle, image.layers, seed);
    if (differences.empty()) continue;
    good = false;
    std::cout << fmt::format("seed {} differs from {}:\n", seed, oracle.name);
    for (const std::string& line : differences) std::cout << line << '\n';
  }
  if (!good) {
    for (size_t k = 0; k < image.layers.size(); ++k) {
      std::cout << "layer " << k << ":\n" << image.layers[k].Describe();
    }
    std::cout << std::flush;
  }
  return good;
}

// The seeds, of [first, end), that should be tried alone.
std::vector<uint64_t> TryTogether(uint64_t first, uint64_t end) {
  for (const Oracle& oracle : Oracles()) {
    std::vector<LayerSpec> layers(kMostRandomLayers);
    size_t asked = 0;
    for (uint64_t seed = first; seed < end; ++seed) {
      const RandomImage image = MakeRandomImage(seed, fmt::format("{}", seed));
      if (!oracle.can(image)) continue;
      ++asked;
      for (size_t k = 0; k < image.layers.size(); ++k) {
        for (const SpecEntry& entry : image.layers[k].entries) {
          layers[k].entries.push_back(entry);
        }
      }
    }
    if (asked == 0) continue;
    g_asked[oracle.name] += asked;
    if (const Differences differences = Ask(oracle, layers, first);
        !differences.empty()) {
      std::cout << fmt::format("images {} to {} differ from {}:\n", first,
                               end - 1, oracle.name);
      for (const std::string& line : differences) std::cout << line << '\n';
      std::vector<uint64_t> all;
      for (uint64_t seed = first; seed < end; ++seed) all.push_back(seed);
      return all;
    }
  }
  std::vector<uint64_t> some;
  for (uint64_t seed = first; seed < end; ++seed) {
    if (seed % kAloneEvery == 0) some.push_back(seed);
  }
  return some;
}

int Main(std::span<char*> args) {
  constexpr int kSkipped = 77;
  uint64_t seed = 1;
  uint64_t count = 100;
  for (size_t i = 1; i + 1 < args.size(); i += 2) {
    const std::string_view option = args[i];
    if (option == "--seed") {
      seed = std::strtoull(args[i + 1], nullptr, 10);
    } else if (option == "--count") {
      count = std::strtoull(args[i + 1], nullptr, 10);
    } else if (option == "--imgmount") {
      g_imgmount = args[i + 1];
    } else {
      std::cerr << "usage: random_images [--seed N] [--count M]"
                   " [--imgmount TOOL]\n";
      return 64;
    }
  }
  if (::geteuid() != 0) {
    std::cerr << "the oracles need root: overlayfs mounts, mknod\n";
    return kSkipped;
  }
  if (count == 1) return TryAlone(seed) ? 0 : 1;

  uint64_t wrong = 0;
  bool batches_are_good = true;
  const uint64_t end = seed + count;
  for (uint64_t first = seed; first < end; first += kBatch) {
    const uint64_t last = std::min(end, first + kBatch);
    const auto alone = TryTogether(first, last);
    if (alone.size() == last - first) batches_are_good = false;
    for (const uint64_t s : alone) wrong += TryAlone(s) ? 0 : 1;
  }
  for (const Oracle& oracle : Oracles()) {
    std::cout << fmt::format("{} images compared with {}\n",
                             g_asked[oracle.name], oracle.name);
  }
  std::cout << fmt::format("{} images, {} differ\n", count, wrong);
  return wrong == 0 && batches_are_good ? 0 : 1;
}

}  // namespace
}  // namespace imgmount::testing

int main(int argc, char** argv) {
  return imgmount::testing::Main({argv, static_cast<size_t>(argc)});
}
