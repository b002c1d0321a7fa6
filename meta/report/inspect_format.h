// SPDX-License-Identifier: Apache-2.0
// Templates over what InspectImage() gives, as `docker image inspect --format`.
#ifndef IMGMOUNT_META_REPORT_INSPECT_FORMAT_H_
#define IMGMOUNT_META_REPORT_INSPECT_FORMAT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "meta/base/result.h"
#include "meta/template/template.h"

namespace imgmount {

// The template sees Docker's Go structs (those of its version 28). Where it
// asks for what they do not have, as .Id (they have .ID), it is tried on the
// JSON as it stands, as Docker does. There whatever the image does not say is
// missing, which older Docker engines told nevertheless: so it is tried at last
// on the structs, with .Id for .ID. kUsage, with what was wrong then, where
// nothing works.
Result<std::string> FormatInspected(const Template& format,
                                    const nlohmann::ordered_json& inspected);

}  // namespace imgmount

#endif  // IMGMOUNT_META_REPORT_INSPECT_FORMAT_H_
