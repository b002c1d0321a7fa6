// SPDX-License-Identifier: Apache-2.0
// RegistrySource: one image name at a registry, with its mirrors.
//
// Every question goes to the mirrors in their order and then to the registry
// itself, starting with whoever answered last; what is transient is asked
// again after a wait, by everybody who did not give a final answer.
// Thread-safe.
#ifndef IMGMOUNT_FETCH_REGISTRY_REGISTRY_SOURCE_H_
#define IMGMOUNT_FETCH_REGISTRY_REGISTRY_SOURCE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fetch/auth/credentials.h"
#include "fetch/config/registries_conf.h"
#include "fetch/http/http_client.h"
#include "fetch/http/retry.h"
#include "fetch/registry/blob_transfer.h"
#include "fetch/registry/registry_client.h"
#include "fetch/source/source.h"
#include "meta/base/mutex.h"

namespace imgmount {

class RegistrySource : public Source {
 public:
  struct Options {
    HttpOptions http;
    RetryPolicy retry = RetryPolicy::Real();
  };
  // REQUIRES: at least one endpoint.
  RegistrySource(const std::vector<Endpoint>& endpoints,
                 Credentials credentials, Options options);

  SourceListener* Listen(SourceListener* listener) override;
  Result<Document> FetchManifest(const std::string& selector) override;
  // By one HEAD request; a digest needs none.
  Result<bool> StillNames(const std::string& selector,
                          const ResolvedImage& known) override;
  Result<std::string> FetchSmallBlob(const Descriptor& descriptor) override;
  Status FetchBlob(const Descriptor& descriptor, uint64_t offset,
                   BlobSink& sink) override;
  Status FetchRange(const Descriptor& descriptor, uint64_t first, uint64_t end,
                    RangeSink& sink) override;

 private:
  // The state of a question while it is asked again and again.
  struct RetryState {
    std::function<bool()> stopped = [] { return false; };
    std::function<void(int)> on_second = [](int) {};
    std::function<void(const std::string&)> on_notice = [](const std::string&) {
    };
    // How far it has come; more than before starts the counting anew.
    std::function<uint64_t()> progress = [] { return uint64_t{0}; };
    bool is_patient = true;  // false: whoever fails is not asked again
  };
  using Question = std::function<Attempt<void>(RegistryClient&)>;
  // Which endpoints may be asked it.
  using Ability = bool Endpoint::*;
  Status Ask(const RetryState& retry_state, Ability needed,
             const Question& question);

  // For questions about documents.
  RetryState TellingListener() const;
  void Warn(const std::string& text);
  Attempt<Document> ManifestFrom(RegistryClient& client,
                                 const std::string& selector);
  Status Run(BlobTransfer& transfer, const Descriptor& descriptor,
             BlobSink& sink);
  // Foreign layers: from the addresses in their descriptor.
  Status RunForeign(BlobTransfer& transfer, const Descriptor& descriptor,
                    const BlobSink& sink);

  const Options options_;
  const Credentials credentials_;
  HttpClient http_;
  std::vector<std::unique_ptr<RegistryClient>> clients_;
  std::atomic<size_t> preferred_ = 0;
  SourceListener* listener_ = nullptr;
  Mutex mutex_;
  std::set<std::string> warnings_ GUARDED_BY(mutex_);  // that were told
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_REGISTRY_SOURCE_H_
