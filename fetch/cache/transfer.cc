// SPDX-License-Identifier: Apache-2.0
#include "fetch/cache/transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>

#include "fetch/archive/oci_archive.h"
#include "fetch/archive/oci_archive_writer.h"
#include "fetch/pull/puller.h"
#include "fetch/source/source.h"
#include "meta/image/layout_index.h"
#include "meta/image/select_image.h"
#include "meta/store/use_lock.h"
#include "meta/text/printable.h"
#include "meta/upkeep/inventory.h"
#include "meta/upkeep/removal.h"

namespace imgmount {
namespace {

namespace fs = std::filesystem;

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
                          const std::string& given) {
  if (!given.empty()) return Reference::Parse(given);
  if (const std::string name = ContainerdName(descriptor); !name.empty()) {
    return Reference::Parse(name);
  }
  // "latest" alone is a tag, as skopeo writes it: of what, nobody knows.
  const std::string name = RefName(descriptor);
  if (name.find_first_of("/:") != std::string::npos) {
    return Reference::Parse(name);
  }
  return Fail(ErrorCode::kUsage,
              "an image in it has no full name" +
                  (name.empty() ? " (" + descriptor.digest.text() + ")"
                                : ", only the tag " + Quoted(name)) +
                  "; give one with --name");
}

// The platforms whose manifests the archive has.
Result<std::vector<Platform>> PlatformsIn(const ImageDocument& top,
                                          const DocumentReader& read) {
  IMGMOUNT_TRY(auto platforms, PlatformsOf(top, read));
  std::erase_if(platforms, [&](const Platform& platform) {
    const auto image = SelectImage(top, platform, read);
    return !image && image.error().code() == ErrorCode::kNotFound;
  });
  // If all of them fail, trying one tells why.
  if (platforms.empty()) platforms.push_back(Platform::OfThisMachine());
  return platforms;
}

Status Take(OciArchive& archive, const LayoutImage& image,
            const Reference& reference, const Cache& cache,
            const CancelFlag* cancel, const ProgressFactory& progress) {
  const DocumentReader read = archive.Reader();
  IMGMOUNT_TRY(const ImageDocument top, DocumentOf(image.entries, read));
  if (reference.digest && *reference.digest != top.digest) {
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("{} is {}", reference.Familiar(), top.digest.text()));
  }
  IMGMOUNT_TRY(const auto platforms, PlatformsIn(top, read));
  for (const Platform& platform : platforms) {
    IMGMOUNT_TRY(const ResolvedImage resolved,
                 Resolve(archive, top, cache, platform));
    IMGMOUNT_CHECK(PullLayers(archive, resolved, reference.Canonical(), cache,
                              {.platform = platform, .cancel = cancel},
                              *progress()));
  }
  return {};
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
                    const ProgressFactory& progress, const ToolIo& io) {
  IMGMOUNT_TRY(TarFiles files,
               TarFiles::Open(file, cache.folder() / "imgmount/partial"));
  OciArchive archive(std::move(files));
  IMGMOUNT_TRY(const auto entries, archive.Entries());
  IMGMOUNT_TRY(const auto images, ImagesOfLayout(entries, archive.Reader()));
  if (images.empty()) {
    return Fail(ErrorCode::kNotFound, file + ": has no images");
  }
  if (!name.empty() && images.size() != 1) {
    return Fail(ErrorCode::kUsage,
                file + ": has several images; --name is for one");
  }
  std::vector<Error> left_out;
  for (const LayoutImage& image : images) {
    auto reference = NameFor(image.entries.front(), name);
    if (!reference) {
      left_out.push_back(std::move(reference).error().In(file));
      continue;
    }
    auto taken = Take(archive, image, *reference, cache, cancel, progress);
    if (!taken) return Failure(std::move(taken).error().In(file));
    io.out << "Imported: " << reference->Familiar() << '\n' << std::flush;
  }
  if (left_out.size() == images.size()) return Failure(left_out.front());
  for (const Error& error : left_out) {
    io.err << "warning: left out: " << error.message() << '\n';
  }
  return {};
}

}  // namespace imgmount
