// SPDX-License-Identifier: Apache-2.0
#include "fetch/cache/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>
#include <variant>

#include "fetch/archive/oci_archive.h"
#include "fetch/archive/oci_archive_writer.h"
#include "fetch/pull/puller.h"
#include "fetch/source/source.h"
#include "meta/store/use_lock.h"
#include "meta/upkeep/inventory.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

constexpr char kNameAnnotation[] = "org.opencontainers.image.ref.name";
constexpr char kContainerdName[] = "io.containerd.image.name";
constexpr size_t kMaxIndexBytes = 16 << 20;

bool IsComplete(const Cache& cache, const Image& image) {
  const auto& layers = image.manifest.layers;
  return std::all_of(layers.begin(), layers.end(), [&](const Descriptor& it) {
    return cache.HasBlob(it.digest);
  });
}

// The blobs and names that go into an archive, and the locks that keep them
// here meanwhile.
struct Cargo {
  std::vector<Cache::IndexEntry> names;
  std::set<Digest> blobs;
  std::vector<UseLock> in_use;
};

Status AddImage(const std::string& text, const Cache& cache,
                const Inventory& inventory, Cargo& cargo) {
  IMGMOUNT_TRY(const FoundImage found, FindImage(inventory, text));
  const CachedImage& cached = *found.image;
  bool any = false;
  for (const Image& image : cached.images) {
    IMGMOUNT_TRY(UseLock in_use, UseLock::Hold(cache, image));
    if (!IsComplete(cache, image)) continue;
    any = true;
    cargo.in_use.push_back(std::move(in_use));
    cargo.blobs.insert(image.manifest_digest);
    cargo.blobs.insert(image.manifest.config.digest);
    for (const Descriptor& layer : image.manifest.layers) {
      cargo.blobs.insert(layer.digest);
    }
  }
  if (!any) {
    return Fail(ErrorCode::kNotFound,
                text +
                    ": its layers are not all in the cache; pull it first "
                    "(imgpull)");
  }
  cargo.blobs.insert(cached.published.digest);
  cargo.names.push_back(
      {cached.names.at(found.name.value_or(0)), cached.published});
  return {};
}

// The name that an image of an archive gets in the cache.
Result<Reference> NameFor(const Descriptor& descriptor,
                          const std::string& given, const std::string& file) {
  if (!given.empty()) return Reference::Parse(given);
  const auto annotation = [&](const char* key) -> std::string {
    const auto found = descriptor.annotations.find(key);
    return found == descriptor.annotations.end() ? "" : found->second;
  };
  if (const std::string name = annotation(kContainerdName); !name.empty()) {
    return Reference::Parse(name);
  }
  // "latest" alone is a tag, as skopeo writes it: of what, nobody knows.
  const std::string name = annotation(kNameAnnotation);
  if (name.find_first_of("/:") != std::string::npos) {
    return Reference::Parse(name);
  }
  return Fail(ErrorCode::kUsage,
              file + ": an image in it has no full name" +
                  (name.empty() ? "" : ", only the tag " + name) +
                  "; give one with --name");
}

// The platforms' manifests that the archive has.
Result<std::vector<Platform>> PlatformsIn(OciArchive& archive,
                                          const Descriptor& descriptor) {
  IMGMOUNT_TRY(const Source::Document document,
               archive.FetchManifest(descriptor.digest.text()));
  IMGMOUNT_TRY(const auto parsed,
               ParseManifestOrIndex(document.bytes, descriptor.media_type));
  const auto* index = std::get_if<Index>(&parsed);
  if (index == nullptr) return std::vector{Platform::OfThisMachine()};
  std::vector<Platform> platforms;
  for (const Descriptor& entry : index->manifests) {
    if (!entry.platform || entry.platform->os == "unknown") continue;
    if (archive.FetchManifest(entry.digest.text())) {
      platforms.push_back(*entry.platform);
    }
  }
  if (platforms.empty()) platforms.push_back(Platform::OfThisMachine());
  return platforms;
}

}  // namespace

Status ExportImages(const std::vector<std::string>& images,
                    const std::string& file, const Cache& cache,
                    const CancelFlag* cancel) {
  IMGMOUNT_TRY(const Inventory inventory, TakeInventory(cache));
  Cargo cargo;
  for (const std::string& image : images) {
    IMGMOUNT_CHECK(AddImage(image, cache, inventory, cargo));
  }
  IMGMOUNT_TRY(AtomicFile out, AtomicFile::CreateOutput(file));
  IMGMOUNT_CHECK(WriteOciArchive(cache, cargo.names, cargo.blobs, out.fd(),
                                 StoppedBy(cancel)));
  return out.Commit();
}

Status ImportImages(const std::string& file, const std::string& name,
                    const Cache& cache, const CancelFlag* cancel,
                    const ProgressFactory& progress, std::ostream& out) {
  IMGMOUNT_TRY(TarFiles files,
               TarFiles::Open(file, cache.folder() / "imgmount/partial"));
  IMGMOUNT_TRY(const std::string text,
               files.ReadText("index.json", kMaxIndexBytes));
  auto parsed = ParseManifestOrIndex(text, kOciIndex);
  if (!parsed) return Failure(parsed.error().In(file));
  const auto& images = std::get<Index>(*parsed).manifests;
  if (!name.empty() && images.size() != 1) {
    return Fail(ErrorCode::kUsage,
                file + ": has several images; --name is for one");
  }
  OciArchive archive(std::move(files));
  for (const Descriptor& descriptor : images) {
    IMGMOUNT_TRY(const Reference reference, NameFor(descriptor, name, file));
    if (reference.digest && *reference.digest != descriptor.digest) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{}: {} is {}", file, reference.Familiar(),
                              descriptor.digest.text()));
    }
    IMGMOUNT_TRY(const auto platforms, PlatformsIn(archive, descriptor));
    for (const Platform& platform : platforms) {
      IMGMOUNT_TRY(Source::Document top,
                   archive.FetchManifest(descriptor.digest.text()));
      IMGMOUNT_TRY(const ResolvedImage resolved,
                   Resolve(archive, std::move(top), cache, platform));
      IMGMOUNT_CHECK(PullLayers(archive, resolved, reference.Canonical(), cache,
                                {.platform = platform, .cancel = cancel},
                                *progress()));
    }
    out << "Imported: " << reference.Familiar() << '\n' << std::flush;
  }
  return {};
}

}  // namespace imgmount
