// SPDX-License-Identifier: Apache-2.0
// EngineSource: an image that a container engine has
// (docker-daemon:REF, containers-storage:REF).
//
// It is exported as by `docker save`, into a file without a name, and read from
// there like a docker-archive. The engine is first asked for the image's ID, so
// that what the cache has already is not exported again. Thread-safe.
#ifndef IMGMOUNT_FETCH_ENGINE_ENGINE_SOURCE_H_
#define IMGMOUNT_FETCH_ENGINE_ENGINE_SOURCE_H_

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "fetch/archive/docker_archive.h"
#include "fetch/engine/engine_address.h"
#include "fetch/http/http_client.h"
#include "fetch/source/source.h"
#include "meta/base/mutex.h"

namespace imgmount {

class EngineSource : public Source {
 public:
  // `image` is a name with a tag, or "sha256:ID"; `scratch` has room for the
  // export.
  EngineSource(EngineAddress engine, std::string image,
               std::filesystem::path scratch, std::function<bool()> stopped);

  Result<Document> FetchManifest(const std::string& selector) override;
  Result<bool> StillNames(const std::string& selector,
                          const ResolvedImage& known) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;

 private:
  Result<HttpRequest> Question(const std::string& what) const;
  Error Explain(Error error) const;
  Status CheckAnswer(const HttpResponse& response) const;
  // Exports the image, once.
  Result<DockerArchive*> Exported();

  const EngineAddress engine_;
  const std::string image_;
  const std::filesystem::path scratch_;
  HttpClient http_;
  Mutex mutex_;
  std::unique_ptr<DockerArchive> archive_ GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_ENGINE_ENGINE_SOURCE_H_
