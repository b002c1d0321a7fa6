// SPDX-License-Identifier: Apache-2.0
// OciArchive: an OCI image layout in a tar archive (oci-archive:FILE[:REF]).
#ifndef IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_H_
#define IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_H_

#include <vector>

#include "fetch/archive/tar_files.h"
#include "fetch/source/source.h"

namespace imgmount {

class OciArchive : public Source {
 public:
  explicit OciArchive(TarFiles files) : files_(std::move(files)) {}

  // The entries of index.json.
  Result<std::vector<Descriptor>> Entries() const;
  DocumentReader Reader() const;  // refers to this

  // A selector is one of FindInLayout().
  Result<Document> FetchManifest(const std::string& selector) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;
  Status FetchRange(const Descriptor& descriptor, uint64_t first, uint64_t end,
                    RangeSink& sink) override;

 private:
  Result<std::string> ReadVerified(const Digest& digest, size_t limit) const;

  const TarFiles files_;
};

// Pushes a run of an archive's bytes, from `offset` on.
Status PushRun(const TarFiles& files, const TarFiles::Run& run, uint64_t offset,
               BlobSink& sink);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ARCHIVE_OCI_ARCHIVE_H_
