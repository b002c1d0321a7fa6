// SPDX-License-Identifier: Apache-2.0
#include "meta/report/inspect.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <variant>

#include "meta/base/zoned_time.h"
#include "meta/image/json.h"
#include "meta/store/layer_facts.h"
#include "meta/store/mount_record.h"

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

// The fields of the config that Docker shows, in its order.
constexpr std::array kConfigKeys = {
    "User",        "ExposedPorts", "Env",    "Entrypoint", "Cmd",
    "Volumes",     "WorkingDir",   "Labels", "StopSignal", "ArgsEscaped",
    "Healthcheck", "OnBuild",      "Shell"};
// Those of them that are maps: Go sorts their keys.
constexpr std::array kMaps = {"ExposedPorts", "Volumes", "Labels"};
constexpr std::array kHealthcheckKeys = {
    "Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"};
constexpr char kNever[] = "0001-01-01T00:00:00Z";

// Whether Go's "omitempty" leaves it out.
bool IsEmpty(const Json& value) {
  return value.is_null() || value == "" || value == 0 || value == false ||
         ((value.is_object() || value.is_array()) && value.empty());
}

template <typename Keys>
Json Pick(const Json& from, const Keys& keys) {
  Json picked = Json::object();
  if (!from.is_object()) return picked;
  for (const char* key : keys) {
    const auto it = from.find(key);
    if (it != from.end() && !IsEmpty(*it)) picked[key] = *it;
  }
  return picked;
}

Json Sorted(const Json& object) {
  // nlohmann::json keeps its objects sorted.
  return Json(nlohmann::json(object));
}

Json ConfigObject(const Json& config) {
  Json picked = Pick(config, kConfigKeys);
  for (const char* key : kMaps) {
    if (picked.contains(key)) picked[key] = Sorted(picked[key]);
  }
  if (picked.contains("Healthcheck")) {
    picked["Healthcheck"] = Pick(picked["Healthcheck"], kHealthcheckKeys);
  }
  return picked;
}

void AddOnce(Json& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) {
    list.push_back(text);
  }
}

struct Names {
  Json tags = Json::array();
  Json digests = Json::array();

  void Add(const Reference& reference, const Digest& digest) {
    if (reference.tag) {
      AddOnce(tags, reference.FamiliarName() + ':' + *reference.tag);
    }
    AddOnce(digests, reference.FamiliarName() + '@' + digest.text());
  }
};

Result<Names> NamesOf(const Image& image, const std::optional<Reference>& asked,
                      const Cache& cache) {
  const Digest& published = image.published_digest();
  Names names;
  IMGMOUNT_TRY(const auto list, cache.List());
  for (const Cache::IndexEntry& named : list) {
    const auto reference = Reference::Parse(named.name);
    // Other tools have names that are no references, a tag alone perhaps.
    if (reference && reference->Canonical() == named.name &&
        named.descriptor.digest == published) {
      names.Add(*reference, published);
    }
  }
  if (asked) names.Add(*asked, published);
  return names;
}

uint64_t SizeOf(const Image& image, const Cache& cache) {
  uint64_t content = 0;
  uint64_t compressed = 0;
  bool all_indexed = true;
  for (const Descriptor& layer : image.manifest.layers) {
    const auto facts = LoadFacts(cache, layer.digest);
    all_indexed = all_indexed && facts;
    content += facts ? facts->diff_size : 0;
    compressed += layer.size;
  }
  return all_indexed ? content : compressed;
}

// Docker's storage drivers say in Data where a container's files are to be
// seen; here it is where the image is mounted, in the manner of LowerDir when
// that is in several places.
Result<Json> GraphDriver(const Image& image, const Cache& cache) {
  IMGMOUNT_TRY(const auto mounted, MountedImages(cache));
  std::string points;
  for (const MountedImage& mount : mounted) {
    if (mount.manifest != image.manifest_digest) continue;
    if (!points.empty()) points += ':';
    points += mount.point;
  }
  Json driver = {{"Data", nullptr}, {"Name", "imgmount"}};
  if (!points.empty()) driver["Data"] = {{"MergedDir", points}};
  return driver;
}

// As in Docker's containerd store: what the name stands for.
Json DescriptorObject(const Image& image, const Cache& cache) {
  std::string media_type = image.manifest.media_type;
  uint64_t size = image.manifest_json.size();
  if (image.index_digest) {
    media_type = kOciIndex;
    const auto bytes = cache.ReadBlob(*image.index_digest, kMaxManifestBytes);
    if (!bytes) return nullptr;
    size = bytes->size();
    // Docker's list or OCI's index: the document says.
    const auto parsed = ParseManifestOrIndex(*bytes, "");
    if (parsed && std::holds_alternative<Index>(*parsed)) {
      media_type = std::get<Index>(*parsed).media_type;
    }
  }
  return {{"mediaType", media_type},
          {"digest", image.published_digest().text()},
          {"size", size}};
}

void AddIfAny(Json& object, const char* key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

}  // namespace

Result<Json> InspectImage(const Image& image,
                          const std::optional<Reference>& asked,
                          const Cache& cache, IdKind id) {
  const ImageConfig& config = image.config;
  IMGMOUNT_TRY(const Json document,
               ParseOrderedJson(config.json, "image config", kMaxConfigBytes));
  IMGMOUNT_TRY(const Names names, NamesOf(image, asked, cache));
  Json layers = Json::array();
  for (const DiffId& id : config.diff_ids) layers.push_back(id.text());

  Json out;
  out["Id"] = (id == IdKind::kConfig ? image.manifest.config.digest
                                     : image.published_digest())
                  .text();
  out["RepoTags"] = names.tags;
  out["RepoDigests"] = names.digests;
  if (!config.history.empty()) {
    AddIfAny(out, "Comment", config.history.back().comment);
  }
  const auto created = ZonedTime::Parse(config.created);
  AddIfAny(out, "Created", created ? created->Text() : config.created);
  AddIfAny(out, "Author", config.author);
  out["Config"] = ConfigObject(document.value("config", Json()));
  out["Architecture"] = config.platform.architecture;
  AddIfAny(out, "Variant", config.platform.variant);
  out["Os"] = config.platform.os;
  AddIfAny(out, "OsVersion", config.platform.os_version);
  out["Size"] = SizeOf(image, cache);
  IMGMOUNT_TRY(out["GraphDriver"], GraphDriver(image, cache));
  out["RootFS"] = {{"Type", "layers"}};
  if (!layers.empty()) out["RootFS"]["Layers"] = std::move(layers);
  out["Metadata"] = {{"LastTagTime", kNever}};
  if (id == IdKind::kManifest) {
    out["Descriptor"] = DescriptorObject(image, cache);
  }
  return out;
}

}  // namespace imgmount
