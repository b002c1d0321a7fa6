// SPDX-License-Identifier: Apache-2.0
// JSON from strangers: parsed within limits, read with checks. Nothing else
// makes a document of any (tests/folder_rule); tables of contents, which are
// too large for one, are read as they arrive (meta/toc).
#ifndef IMGMOUNT_META_IMAGE_JSON_H_
#define IMGMOUNT_META_IMAGE_JSON_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/base/result.h"

namespace imgmount {

inline constexpr size_t kMaxJsonDepth = 100;
inline constexpr size_t kMaxJsonValues = 1'000'000;

// Strict JSON, valid UTF-8, at most `limit` bytes. kCorrupt says what is wrong
// and where; `what` names the document in messages.
Result<nlohmann::json> ParseJson(std::string_view text, std::string_view what,
                                 size_t limit);
// The same; objects keep the order of their keys.
Result<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                std::string_view what,
                                                size_t limit);

// The string that an object has under `key`; nullopt for anything else. For
// answers whose form nobody vouches for; documents are read by JsonObject.
std::optional<std::string> StringMember(const nlohmann::json& value,
                                        const char* key);

// An object whose members are read with checks. A member that is null counts
// as absent. Errors are kCorrupt: "manifest: layers[3].size: …". Refers to the
// value it was made of.
class JsonObject {
 public:
  static Result<JsonObject> Of(const nlohmann::json& value,
                               std::string_view what);

  bool Has(const char* key) const;
  // "" where it is absent.
  Result<std::string> String(const char* key) const;
  // false where it is absent.
  Result<bool> Bool(const char* key) const;
  // 0 … 2^63-1; nullopt where it is absent.
  Result<std::optional<uint64_t>> Number(const char* key) const;
  // Empty where they are absent.
  Result<std::vector<std::string>> Strings(const char* key) const;
  Result<std::map<std::string, std::string>> StringMap(const char* key) const;
  Result<std::vector<JsonObject>> Objects(const char* key) const;
  Result<std::optional<JsonObject>> Object(const char* key) const;

  // An error about a member, or about the object where key is "".
  Failure Wrong(std::string_view key, std::string_view problem) const;

 private:
  JsonObject(const nlohmann::json& value, std::string what, std::string path)
      : value_(&value), what_(std::move(what)), path_(std::move(path)) {}
  const nlohmann::json* Find(const char* key) const;
  Result<const nlohmann::json*> Array(const char* key) const;

  const nlohmann::json* value_;
  std::string what_;  // "manifest"
  std::string path_;  // "layers[3]"; "" at the top
};

}  // namespace imgmount

#endif  // IMGMOUNT_META_IMAGE_JSON_H_
