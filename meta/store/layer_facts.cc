#include "meta/store/layer_facts.h"

#include <nlohmann/json.hpp>

#include "meta/base/file.h"
#include "meta/image/json.h"

namespace imgmount {
namespace {

constexpr char kFactsFile[] = "facts.json";
constexpr size_t kMaxFactsBytes = 4 << 10;

}  // namespace

Result<LayerFacts> LoadFacts(const Cache& cache, const Digest& layer) {
  const auto path = cache.LayerFolder(layer) / kFactsFile;
  IMGMOUNT_TRY(const std::string text, ReadFile(path, kMaxFactsBytes));
  IMGMOUNT_TRY(const nlohmann::json json,
               ParseJson(text, path.string(), kMaxFactsBytes));
  IMGMOUNT_TRY(const auto object, JsonObject::Of(json, path.string()));
  IMGMOUNT_TRY(const auto diff_id_text, object.String("diff_id"));
  IMGMOUNT_TRY(const auto diff_id, DiffId::Parse(diff_id_text));
  IMGMOUNT_TRY(const auto uncompressed, object.Number("uncompressed_size"));
  IMGMOUNT_TRY(const auto content, object.Number("content_bytes"));
  if (!uncompressed || !content) return object.Wrong("", "is incomplete");
  return LayerFacts{diff_id, *uncompressed, *content};
}

Result<FirstPassResult> FinishPass(const Cache& cache, FirstPass& pass) {
  IMGMOUNT_TRY(FirstPassResult result, pass.Finish());
  const nlohmann::ordered_json json = {
      {"diff_id", result.diff_id.text()},
      {"uncompressed_size", result.uncompressed_size},
      {"content_bytes", result.index.content_bytes()}};
  IMGMOUNT_TRY(
      AtomicFile file,
      AtomicFile::Create(cache.LayerFolder(result.digest) / kFactsFile));
  IMGMOUNT_CHECK(file.Write(json.dump() + '\n'));
  IMGMOUNT_CHECK(file.Commit());
  return result;
}

}  // namespace imgmount
