// SPDX-License-Identifier: Apache-2.0
#include "meta/report/inspect_format.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "meta/template/go_type.h"

namespace imgmount {
namespace {

using Kind = GoType::Kind;

constexpr GoField kHealthcheckFields[] = {
    {"Test", &kGoStrings},           {"Interval", &kGoDuration},
    {"Timeout", &kGoDuration},       {"StartPeriod", &kGoDuration},
    {"StartInterval", &kGoDuration}, {"Retries", &kGoInt}};
constexpr GoType kHealthcheck{Kind::kStruct, "v1.HealthcheckConfig", nullptr,
                              kHealthcheckFields};
constexpr GoType kHealthcheckPointer{Kind::kPointer, "*v1.HealthcheckConfig",
                                     &kHealthcheck};

constexpr GoField kOciConfigFields[] = {
    {"User", &kGoString},       {"ExposedPorts", &kGoStringSet},
    {"Env", &kGoStrings},       {"Entrypoint", &kGoStrings},
    {"Cmd", &kGoStrings},       {"Volumes", &kGoStringSet},
    {"WorkingDir", &kGoString}, {"Labels", &kGoStringMap},
    {"StopSignal", &kGoString}, {"ArgsEscaped", &kGoBool}};
constexpr GoType kOciConfig{Kind::kStruct, "v1.ImageConfig", nullptr,
                            kOciConfigFields};
constexpr GoField kMoreConfigFields[] = {{"Healthcheck", &kHealthcheckPointer},
                                         {"OnBuild", &kGoStrings},
                                         {"Shell", &kGoStrings}};
constexpr GoType kMoreConfig{Kind::kStruct, "v1.DockerOCIImageConfigExt",
                             nullptr, kMoreConfigFields};
constexpr GoField kConfigFields[] = {
    {"ImageConfig", &kOciConfig, "", true},
    {"DockerOCIImageConfigExt", &kMoreConfig, "", true}};
constexpr GoType kConfig{Kind::kStruct, "v1.DockerOCIImageConfig", nullptr,
                         kConfigFields};
constexpr GoType kConfigPointer{Kind::kPointer, "*v1.DockerOCIImageConfig",
                                &kConfig};

constexpr GoField kDriverFields[] = {{"Data", &kGoStringMap},
                                     {"Name", &kGoString}};
constexpr GoType kDriver{Kind::kStruct, "storage.DriverData", nullptr,
                         kDriverFields};
constexpr GoField kRootFsFields[] = {{"Type", &kGoString},
                                     {"Layers", &kGoStrings}};
constexpr GoType kRootFs{Kind::kStruct, "image.RootFS", nullptr, kRootFsFields};
constexpr GoField kMetadataFields[] = {{"LastTagTime", &kGoTime}};
constexpr GoType kMetadata{Kind::kStruct, "image.Metadata", nullptr,
                           kMetadataFields};

// The last four never have a value here.
constexpr GoType kDigest{Kind::kString, "digest.Digest"};
constexpr GoType kBytes{Kind::kSlice, "[]uint8", &kGoUint8};
constexpr GoType kPlatform{Kind::kStruct, "v1.Platform"};
constexpr GoType kPlatformPointer{Kind::kPointer, "*v1.Platform", &kPlatform};
constexpr GoField kDescriptorFields[] = {
    {"MediaType", &kGoString, "mediaType"},
    {"Digest", &kDigest, "digest"},
    {"Size", &kGoInt64, "size"},
    {"URLs", &kGoStrings, "urls"},
    {"Annotations", &kGoStringMap, "annotations"},
    {"Data", &kBytes, "data"},
    {"Platform", &kPlatformPointer, "platform"},
    {"ArtifactType", &kGoString, "artifactType"}};
constexpr GoType kDescriptor{Kind::kStruct, "v1.Descriptor", nullptr,
                             kDescriptorFields};
constexpr GoType kDescriptorPointer{Kind::kPointer, "*v1.Descriptor",
                                    &kDescriptor};
constexpr GoType kManifests{Kind::kSlice, "[]image.ManifestSummary", &kGoAny};

constexpr std::array<GoField, 17> ImageFields(std::string_view id) {
  return {{{id, &kGoString, "Id"},
           {"RepoTags", &kGoStrings},
           {"RepoDigests", &kGoStrings},
           {"Comment", &kGoString},
           {"Created", &kGoString},
           {"Author", &kGoString},
           {"Config", &kConfigPointer},
           {"Architecture", &kGoString},
           {"Variant", &kGoString},
           {"Os", &kGoString},
           {"OsVersion", &kGoString},
           {"Size", &kGoInt64},
           {"GraphDriver", &kDriver},
           {"RootFS", &kRootFs},
           {"Metadata", &kMetadata},
           {"Descriptor", &kDescriptorPointer},
           {"Manifests", &kManifests}}};
}
constexpr auto kImageFields = ImageFields("ID");
constexpr auto kFieldsOfJson = ImageFields("Id");
constexpr char kImageName[] = "image.InspectResponse";
constexpr GoType kImage{Kind::kStruct, kImageName, nullptr, kImageFields};
constexpr GoType kImageOfJson{Kind::kStruct, kImageName, nullptr,
                              kFieldsOfJson};

}  // namespace

Result<std::string> FormatInspected(const Template& format,
                                    const nlohmann::ordered_json& inspected) {
  if (auto text = format.Execute(inspected, kImage)) return text;
  // Objects are Go's maps there, which are printed in the order of their keys.
  nlohmann::json members = inspected;
  // Engines tell these also where there is nothing to tell.
  for (const char* name : {"Author", "Comment"}) {
    if (!members.contains(name)) members[name] = "";
  }
  const nlohmann::ordered_json sorted = members;
  if (auto text = format.ExecuteRaw(sorted)) return text;
  return format.Execute(inspected, kImageOfJson);
}

}  // namespace imgmount
