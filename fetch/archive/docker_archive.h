// SPDX-License-Identifier: Apache-2.0
// DockerArchive: an image in a file of `docker save` (docker-archive:FILE[:REF]
// or :@N), of the old kind (ID/layer.tar) or the new one (an OCI layout with a
// manifest.json).
//
// Such a file has no manifest of a registry's kind, so one is made, the same
// that skopeo makes, so that digests agree: layers are named by their
// uncompressed tars, and given out like that, however they lie in the file.
#ifndef IMGMOUNT_FETCH_ARCHIVE_DOCKER_ARCHIVE_H_
#define IMGMOUNT_FETCH_ARCHIVE_DOCKER_ARCHIVE_H_

#include <map>
#include <memory>
#include <string>

#include "fetch/archive/tar_files.h"
#include "fetch/source/source.h"

namespace imgmount {

class DockerArchive : public Source {
 public:
  // `reference` is a tag of the image ("app:1"), "@N" its number, or "" where
  // there is just one. kNotFound lists those that are there.
  static Result<std::unique_ptr<DockerArchive>> Open(
      TarFiles files, const std::string& reference);

  // The only manifest there is; a digest as selector has to be its own.
  Result<Document> FetchManifest(const std::string& selector) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;

 private:
  struct Layer {
    TarFiles::Run run;
    bool compressed = false;
  };
  explicit DockerArchive(TarFiles files) : files_(std::move(files)) {}

  const TarFiles files_;
  std::string config_;
  std::string manifest_;
  std::map<Digest, Layer> layers_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_DOCKER_ARCHIVE_H_
