// SPDX-License-Identifier: Apache-2.0
// Documents of images in memory, for tests of what reads them.
#ifndef IMGMOUNT_TESTS_SUPPORT_DOCUMENT_STORE_H_
#define IMGMOUNT_TESTS_SUPPORT_DOCUMENT_STORE_H_

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "meta/image/select_image.h"

namespace imgmount::testing {

class DocumentStore {
 public:
  Descriptor Add(std::string bytes, std::string media_type) {
    const Digest digest = DigestOf(bytes);
    const uint64_t size = bytes.size();
    documents_[digest] = std::move(bytes);
    return {
        .media_type = std::move(media_type), .digest = digest, .size = size};
  }
  // A manifest whose config tells this platform; "" for none. Its layers have
  // this media type.
  Descriptor AddImage(
      const std::string& platform,
      const std::string& layer_type = "application/vnd.oci.image.layer.v1.tar",
      const std::string& config_type =
          "application/vnd.oci.image.config.v1+json") {
    const std::string diff_id = DigestOf(platform).text();
    const size_t slash = platform.find('/');
    const std::string words =
        platform.empty() ? ""
                         : fmt::format(R"("os":"{}","architecture":"{}",)",
                                       platform.substr(0, slash),
                                       platform.substr(slash + 1));
    const Descriptor config = Add(
        fmt::format(R"({{{}"rootfs":{{"type":"layers","diff_ids":["{}"]}}}})",
                    words, diff_id),
        config_type);
    return Add(
        fmt::format(
            R"({{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}",)"
            R"("size":{}}},"layers":[{{"mediaType":"{}","digest":"{}",)"
            R"("size":5}}]}})",
            config_type, config.digest.text(), config.size, layer_type,
            diff_id),
        kOciManifest);
  }
  Descriptor AddIndex(const std::vector<std::string>& entries) {
    return Add(fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})",
                           fmt::join(entries, ",")),
               kOciIndex);
  }
  // An entry of an index; `rest` begins with a comma.
  static std::string Entry(const Descriptor& descriptor,
                           const std::string& rest = "") {
    return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}}})",
                       descriptor.media_type, descriptor.digest.text(),
                       descriptor.size, rest);
  }

  void Remove(const Digest& digest) { documents_.erase(digest); }
  ImageDocument Document(const Descriptor& descriptor) const {
    return {documents_.at(descriptor.digest), descriptor.media_type,
            descriptor.digest};
  }
  DocumentReader Reader() const {
    const auto read = [this](const Descriptor& it) -> Result<std::string> {
      const auto found = documents_.find(it.digest);
      if (found != documents_.end()) return found->second;
      return Fail(ErrorCode::kNotFound, "there is no " + it.digest.text());
    };
    return {read, read};
  }

 private:
  std::map<Digest, std::string> documents_;
};

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_SUPPORT_DOCUMENT_STORE_H_
