// SPDX-License-Identifier: Apache-2.0
#include "meta/image/image_config.h"

#include <nlohmann/json.hpp>

#include "meta/image/json.h"
#include "meta/image/manifest.h"

namespace imgmount {

Result<ImageConfig> ImageConfig::Parse(std::string_view json) {
  IMGMOUNT_TRY(const nlohmann::json value,
               ParseJson(json, "image config", kMaxConfigBytes));
  IMGMOUNT_TRY(const JsonObject document,
               JsonObject::Of(value, "image config"));
  ImageConfig config;
  config.json = json;
  IMGMOUNT_TRY(config.platform.os, document.String("os"));
  IMGMOUNT_TRY(config.platform.architecture, document.String("architecture"));
  IMGMOUNT_TRY(config.platform.variant, document.String("variant"));
  IMGMOUNT_TRY(config.platform.os_version, document.String("os.version"));
  IMGMOUNT_TRY(config.created, document.String("created"));
  IMGMOUNT_TRY(config.author, document.String("author"));

  IMGMOUNT_TRY(const auto rootfs, document.Object("rootfs"));
  if (!rootfs) return document.Wrong("rootfs", "is missing");
  IMGMOUNT_TRY(const auto diff_ids, rootfs->Strings("diff_ids"));
  for (const std::string& text : diff_ids) {
    auto diff_id = DiffId::Parse(text);
    if (!diff_id) return rootfs->Wrong("diff_ids", diff_id.error().message());
    config.diff_ids.push_back(*std::move(diff_id));
  }

  IMGMOUNT_TRY(const auto history, document.Objects("history"));
  for (const JsonObject& item : history) {
    HistoryEntry& entry = config.history.emplace_back();
    IMGMOUNT_TRY(entry.created, item.String("created"));
    IMGMOUNT_TRY(entry.created_by, item.String("created_by"));
    IMGMOUNT_TRY(entry.author, item.String("author"));
    IMGMOUNT_TRY(entry.comment, item.String("comment"));
    IMGMOUNT_TRY(entry.empty_layer, item.Bool("empty_layer"));
  }
  return config;
}

}  // namespace imgmount
