// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any bytes as a file of `docker save`, and as the tar of an OCI
// layout. What is given out of it has the digest that it is asked for by.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <utility>

#include "fetch/archive/docker_archive.h"
#include "fetch/archive/oci_archive.h"
#include "fetch/archive/tar_files.h"
#include "meta/image/manifest.h"

namespace imgmount {
namespace {

class Discard : public BlobSink {
 public:
  Status Write(std::span<const std::byte>) override { return {}; }
};

void FetchAll(Source& source) {
  const auto document = source.FetchManifest("");
  if (!document) return;
  if (document->digest != DigestOf(document->bytes)) std::abort();
  const auto parsed =
      ParseManifestOrIndex(document->bytes, document->media_type);
  const auto* manifest = parsed ? std::get_if<Manifest>(&*parsed) : nullptr;
  if (manifest == nullptr) return;
  const auto config = source.FetchSmallBlob(manifest->config);
  if (config && DigestOf(*config) != manifest->config.digest) std::abort();
  Discard sink;
  for (const Descriptor& layer : manifest->layers) {
    (void)source.FetchBlob(layer, 0, sink);
  }
}

Result<TarFiles> OpenTar(std::span<const std::byte> bytes) {
  UniqueFd file(::memfd_create("archive", MFD_CLOEXEC));
  IMGMOUNT_CHECK(WriteAll(file.get(), bytes));
  return TarFiles::FromFile(std::move(file), "archive",
                            std::filesystem::temp_directory_path());
}

}  // namespace
}  // namespace imgmount

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace imgmount;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (auto files = OpenTar(bytes)) {
    if (auto archive = DockerArchive::Open(*std::move(files), "")) {
      FetchAll(**archive);
    }
  }
  if (auto files = OpenTar(bytes)) {
    OciArchive archive(*std::move(files));
    FetchAll(archive);
  }
  return 0;
}
