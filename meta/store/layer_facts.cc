// SPDX-License-Identifier: Apache-2.0
#include "meta/store/layer_facts.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "meta/base/file.h"
#include "meta/base/regular_file.h"
#include "meta/base/xxh3.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

constexpr char kFactsFile[] = "facts.json";
constexpr size_t kMaxFactsBytes = 4 << 10;

nlohmann::ordered_json ToJson(const LayerFacts& facts) {
  nlohmann::ordered_json json = {{"diff_id", facts.diff_id.text()},
                                 {"uncompressed_size", facts.uncompressed_size},
                                 {"diff_size", facts.diff_size}};
  if (facts.other_diff_id) json["other_diff_id"] = facts.other_diff_id->text();
  return json;
}

// Covers the facts, and whose they are.
std::string Checksum(const Digest& layer, const LayerFacts& facts) {
  const std::string text = layer.text() + ToJson(facts).dump();
  return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size()));
}

}  // namespace

std::optional<DiffId> LayerFacts::DiffIdBy(DigestAlgorithm algorithm) const {
  if (diff_id.algorithm() == algorithm) return diff_id;
  return other_diff_id;
}

Result<LayerFacts> LoadFacts(const Cache& cache, const Digest& layer) {
  const auto path = cache.LayerFolder(layer) / kFactsFile;
  IMGMOUNT_TRY(const std::string text, ReadRegularFile(path, kMaxFactsBytes));
  IMGMOUNT_TRY(const nlohmann::json json,
               ParseJson(text, path.string(), kMaxFactsBytes));
  IMGMOUNT_TRY(const auto object, JsonObject::Of(json, path.string()));
  IMGMOUNT_TRY(const auto diff_id_text, object.String("diff_id"));
  IMGMOUNT_TRY(const auto diff_id, DiffId::Parse(diff_id_text));
  IMGMOUNT_TRY(const auto uncompressed, object.Number("uncompressed_size"));
  IMGMOUNT_TRY(const auto diff_size, object.Number("diff_size"));
  if (json.contains("content_bytes")) {
    return Fail(ErrorCode::kNotFound, path.string() + ": is an older one");
  }
  if (!uncompressed || !diff_size) return object.Wrong("", "is incomplete");
  LayerFacts facts{diff_id, *uncompressed, *diff_size};
  IMGMOUNT_TRY(const auto other, object.String("other_diff_id"));
  if (!other.empty()) {
    IMGMOUNT_TRY(facts.other_diff_id, DiffId::Parse(other));
  }
  IMGMOUNT_TRY(const auto checksum, object.String("checksum"));
  if (checksum != Checksum(layer, facts)) {
    return object.Wrong("checksum", "does not fit");
  }
  return facts;
}

Result<FirstPassResult> FinishPass(const Cache& cache, FirstPass& pass) {
  IMGMOUNT_TRY(FirstPassResult result, pass.Finish());
  LayerFacts facts{result.diff_id, result.uncompressed_size,
                   result.index.diff_size()};
  if (const auto known = LoadFacts(cache, result.digest)) {
    const auto algorithm = facts.diff_id.algorithm();
    facts.other_diff_id = known->diff_id.algorithm() != algorithm
                              ? known->diff_id
                              : known->other_diff_id;
  }
  nlohmann::ordered_json json = ToJson(facts);
  json["checksum"] = Checksum(result.digest, facts);
  IMGMOUNT_TRY(
      AtomicFile file,
      AtomicFile::Create(cache.LayerFolder(result.digest) / kFactsFile));
  IMGMOUNT_CHECK(file.Write(json.dump() + '\n'));
  IMGMOUNT_CHECK(file.Commit());
  return result;
}

}  // namespace imgmount
