// SPDX-License-Identifier: Apache-2.0
// FakeRegistry: a registry of the OCI distribution-spec, as far as pulling
// goes, whose manners a test can spoil; and images to put into it.
#ifndef IMGMOUNT_TESTS_SUPPORT_FAKE_REGISTRY_H_
#define IMGMOUNT_TESTS_SUPPORT_FAKE_REGISTRY_H_

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "meta/base/digest.h"
#include "meta/base/mutex.h"
#include "meta/image/platform.h"
#include "tests/support/http_server.h"

namespace imgmount::testing {

// An image made of layer tars; layers are compressed with gzip.
struct TestImage {
  explicit TestImage(const std::vector<std::string>& tars,
                     const Platform& platform = Platform::OfThisMachine());

  std::vector<std::string> layers;  // as published
  std::string config;
  std::string manifest;
  Platform platform;

  Digest layer_digest(size_t i) const { return DigestOf(layers[i]); }
  Digest manifest_digest() const { return DigestOf(manifest); }
  // Bytes of all layers as they cross the wire.
  uint64_t layer_bytes() const;
};

// The OCI index of several images.
std::string IndexOf(const std::vector<const TestImage*>& images);

// Writes the image as an OCI image layout under this name.
void WriteLayout(const TestImage& image, const std::filesystem::path& folder,
                 const std::string& name);

class FakeRegistry {
 public:
  using Request = HttpServer::Request;
  using Reply = HttpServer::Reply;

  explicit FakeRegistry(const std::string& address = "127.0.0.1");

  void AddBlob(const std::string& bytes);
  void AddManifest(const std::string& repository, const std::string& tag,
                   const std::string& bytes, const std::string& media_type);
  // With its config and layers.
  void AddImage(const std::string& repository, const std::string& tag,
                const TestImage& image);

  // Asked first; nullopt lets the registry answer.
  using Interception = std::function<std::optional<Reply>(const Request&)>;
  void Intercept(Interception interception);
  // The answer that the registry itself would give.
  Reply Answer(const Request& request);

  HttpServer& http() { return server_; }
  const std::string& authority() const { return server_.authority(); }
  // Body bytes of blobs sent (or claimed to be), by this registry's own
  // answers.
  static std::string BlobPath(const std::string& repository,
                              const Digest& digest) {
    return "/v2/" + repository + "/blobs/" + digest.text();
  }

 private:
  struct Document {
    std::string bytes;
    std::string media_type;
  };
  Mutex mutex_;
  std::map<std::string, std::string> blobs_ GUARDED_BY(mutex_);  // by digest
  // By "NAME/manifests/REF".
  std::map<std::string, Document> manifests_ GUARDED_BY(mutex_);
  Interception interception_ GUARDED_BY(mutex_);
  HttpServer server_;  // last: its threads use the rest
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_FAKE_REGISTRY_H_
