// SPDX-License-Identifier: Apache-2.0
#include "meta/report/inspect_format.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace imgmount {
namespace {

using Json = nlohmann::ordered_json;

// The file holds images as an engine describes them, and what Docker's client
// 28.2 makes of templates over them: what it prints, and what it refuses.
TEST(FormatInspected, PrintsWhatDockerPrints) {
  std::ifstream file(IMGMOUNT_GOLDEN "/docker_output/inspect-templates.json");
  const Json golden = Json::parse(file);
  const auto render = [](const std::string& text,
                         const Json& image) -> Result<std::string> {
    IMGMOUNT_TRY(const Template parsed, Template::Parse(text));
    return FormatInspected(parsed, image);
  };
  for (const Json& part : golden) {
    const Json& image = part["image"];
    for (const Json& printed : part["prints"]) {
      const auto text = render(printed[0], image);
      EXPECT_EQ(text ? *text : text.error().message(), printed[1])
          << printed[0];
    }
    for (const Json& refused : part["refuses"]) {
      const auto text = render(refused, image);
      EXPECT_TRUE(!text && text.error().code() == ErrorCode::kUsage)
          << refused << (text ? *text : text.error().message());
    }
  }
}

}  // namespace
}  // namespace imgmount
