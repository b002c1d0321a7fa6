// SPDX-License-Identifier: Apache-2.0
#include "tools/mount_list.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "fs/mount/mount_probe.h"
#include "fs/mount/mount_table.h"
#include "meta/base/file.h"
#include "meta/base/zoned_time.h"
#include "meta/report/columns.h"
#include "meta/store/cache.h"
#include "meta/store/mount_record.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

constexpr std::chrono::milliseconds kAnswerWithin{1000};
constexpr size_t kMaxChildren = 4 << 10;

// The process that answers for a keeper; 0: it serves the mount itself, or has
// ended.
pid_t ServerOf(pid_t keeper) {
  const auto children = ReadFile(
      fmt::format("/proc/{}/task/{}/children", keeper, keeper), kMaxChildren);
  return children ? std::atoi(children->c_str()) : 0;
}

std::string StateText(MountState state) {
  switch (state) {
    case MountState::kAlive:
      return "alive";
    case MountState::kSilent:
      return "no answer";
    case MountState::kDead:
      return "dead";
    case MountState::kUnknown:
      break;
  }
  return "unknown";
}

// Those from the cache, by where they are.
Result<std::map<std::string, MountedImage>> Records(
    const std::filesystem::path& cache_folder) {
  std::map<std::string, MountedImage> found;
  if (!Cache::IsThere(cache_folder)) return found;
  IMGMOUNT_TRY(const Cache cache, Cache::Open(cache_folder));
  IMGMOUNT_TRY(const auto mounted, MountedImages(cache));
  for (const MountedImage& image : mounted)
    found.try_emplace(image.point, image);
  return found;
}

nlohmann::ordered_json ToJson(const MountEntry& mount, MountState state,
                              const MountedImage* record) {
  nlohmann::ordered_json json = {{"source", mount.source},
                                 {"mounted_on", mount.point},
                                 {"state", StateText(state)}};
  if (record == nullptr) return json;
  json["shows"] = record->shows.empty() ? "image" : record->shows;
  json["manifest"] = record->manifest.text();
  json["since"] = ZonedTime::Local(record->since).Text();
  json["pid"] = record->keeper;
  if (const pid_t server = ServerOf(record->keeper))
    json["server_pid"] = server;
  return json;
}

}  // namespace

Result<std::string> MountListText(const std::filesystem::path& cache_folder,
                                  MountListStyle style) {
  IMGMOUNT_TRY(const auto table, ReadMountTable());
  IMGMOUNT_TRY(const auto records, Records(cache_folder));
  const std::time_t now = std::time(nullptr);
  std::string text;
  auto all = nlohmann::ordered_json::array();
  for (const MountEntry& mount : table) {
    if (!mount.is_ours()) continue;
    if (style == MountListStyle::kPoints) {
      text += mount.point + '\n';
      continue;
    }
    const auto found = records.find(mount.point);
    const MountedImage* record =
        found == records.end() ? nullptr : &found->second;
    const MountState state = ProbeMount(mount.point, kAnswerWithin);
    if (style == MountListStyle::kJson) {
      all.push_back(ToJson(mount, state, record));
      continue;
    }
    text +=
        fmt::format("{}\t{}\t{}\t{}\t{}\n", mount.source,
                    record ? RoughDuration(now - record->since) + " ago" : "-",
                    record ? std::to_string(record->keeper) : "-",
                    StateText(state), mount.point);
  }
  switch (style) {
    case MountListStyle::kPoints:
      return text;
    case MountListStyle::kJson:
      return all.dump(2, ' ', false,
                      nlohmann::ordered_json::error_handler_t::replace) +
             '\n';
    case MountListStyle::kTable:
      break;
  }
  return AlignColumns("IMAGE\tSINCE\tPROCESS\tSTATE\tMOUNTED ON\n" + text);
}

}  // namespace imgmount
