// SPDX-License-Identifier: Apache-2.0
// Cache: the folder that holds images, as an OCI image layout.
//
//   oci-layout, index.json        the layout; skopeo, umoci, crane read it
//   blobs/sha256/<hex>            manifests, configs, layers: as published
//   imgmount/layers/<hex>/        derived files of one layer, by blob digest
//   imgmount/trees/<key>          merged trees, by chain ID (see layer_store.h)
//   imgmount/starts/<key>         likewise, what programs read
//                                 (access_profile_file.h)
//   imgmount/partial/<hex>        blobs of which only parts are here
//                                 (meta/partial/partial_blob.h)
//   imgmount/locks/<name>         flock(2) files
//   imgmount/mounts/<name>        what is mounted where (see mount_record.h)
//
// A name in index.json is the reference's Canonical() text, in the annotation
// org.opencontainers.image.ref.name; its descriptor is what the reference
// resolved to (an index or a manifest). Several processes use one cache at a
// time: blobs appear by rename, index.json changes under a lock.
#ifndef IMGMOUNT_META_STORE_CACHE_H_
#define IMGMOUNT_META_STORE_CACHE_H_

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/file.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/image/image.h"
#include "meta/image/platform.h"
#include "meta/image/reference.h"
#include "meta/image/select_image.h"

namespace imgmount {

// In a folder of a layer's that holds what its table of contents says: why that
// is not believed any more.
inline constexpr char kWrongTocFile[] = "wrong";
// What it says, a line; nullopt: there is no such file.
std::optional<std::string> WhyTocIsWrong(const std::filesystem::path& folder);

class Cache {
 public:
  // Where --cache-dir does not say: IMGMOUNT_CACHE, else /var/cache/imgmount
  // for root (of the machine, not of a user namespace), else
  // $XDG_CACHE_HOME/imgmount, else ~/.cache/imgmount.
  static std::filesystem::path DefaultFolder(const ToolIo& io);

  static bool IsThere(const std::filesystem::path& folder);
  // Makes what is missing. kIo names the folder; nobody else may change it.
  static Result<Cache> Open(const std::filesystem::path& folder);
  // An existing OCI layout that is read and never written: blobs come from
  // `layout`, derived files go to this cache. There WriteBlob() only looks for
  // the blob, and SetName() and RemoveName() do nothing.
  Result<Cache> WithLayout(const std::filesystem::path& layout) const;

  const std::filesystem::path& folder() const { return folder_; }
  // WithLayout: blobs and names are not in folder().
  bool IsReadOnly() const { return folder_ != layout_; }
  std::filesystem::path BlobPath(const Digest& digest) const;
  std::filesystem::path PartialPath(const Digest& digest) const;
  std::filesystem::path LayerFolder(const Digest& digest) const;
  std::filesystem::path TreePath(std::string_view key) const;
  std::filesystem::path ProfilesPath(std::string_view key) const;
  Result<FileLock> Lock(std::string_view name) const;
  // nullopt while another process has it.
  Result<std::optional<FileLock>> TryLock(std::string_view name) const;
  // The same, of the lock under which a layer's files are made.
  Result<FileLock> LockLayer(const Digest& layer) const;
  Result<std::optional<FileLock>> TryLockLayer(const Digest& layer) const;

  bool HasBlob(const Digest& digest) const;
  // A small blob (manifest, config), its digest verified as it is read.
  Result<std::string> ReadBlob(const Digest& digest, size_t limit) const;
  // Stores a small blob under its digest; atomic; no-op when it is there.
  Result<Digest> WriteBlob(
      std::string_view bytes,
      DigestAlgorithm algorithm = DigestAlgorithm::kSha256) const;

  // A name in index.json, and what it stands for.
  struct IndexEntry {
    std::string name;
    Descriptor descriptor;
  };
  // In file order. Entries without a name, as other tools write them, are left
  // out.
  Result<std::vector<IndexEntry>> List() const;
  // With those, whose name is "".
  Result<std::vector<IndexEntry>> ListAll() const;
  // The (first) descriptor of that name; "" is the only image, when there is
  // just one. kNotFound lists those that are there.
  Result<Descriptor> FindName(std::string_view name) const;
  // The document that a selector of FindInLayout() stands for.
  Result<ImageDocument> FindDocument(std::string_view selector) const;
  // Points `name` at the descriptor (a tag moves). Under the cache's lock.
  // index.json has OCI's media types for Docker's, so that others find them.
  Status SetName(const std::string& name, const Descriptor& descriptor) const;
  Status RemoveName(const std::string& name) const;

  // The image a name or digest resolves to, from blobs that are here; no
  // network. kNotFound when name, manifest or config is missing, and when an
  // index has no image for the platform.
  Result<Image> Find(const Reference& reference,
                     const Platform& platform) const;
  // The same from a descriptor (its size counts): follows an index to the
  // platform.
  Result<Image> Load(const Descriptor& descriptor,
                     const Platform& platform) const;

  // Manifests and configs out of blobs; refers to this.
  DocumentReader Reader() const;

 private:
  explicit Cache(std::filesystem::path folder, std::filesystem::path layout)
      : folder_(std::move(folder)), layout_(std::move(layout)) {}
  Result<std::vector<Descriptor>> ReadIndex() const;
  // With what helps, where the index is ours.
  Failure DamagedIndex(const Error& error) const;
  // Gives `name` the descriptor, or with null removes it.
  Status EditIndex(const std::string& name, const Descriptor* descriptor) const;

  std::filesystem::path folder_;  // derived files
  std::filesystem::path layout_;  // blobs and index.json
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_STORE_CACHE_H_
