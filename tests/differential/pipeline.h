// SPDX-License-Identifier: Apache-2.0
// Our own way from tars to facts: first pass, merge, tree file.
#ifndef IMGMOUNT_TESTS_DIFFERENTIAL_PIPELINE_H_
#define IMGMOUNT_TESTS_DIFFERENTIAL_PIPELINE_H_

#include <filesystem>
#include <span>
#include <string>

#include "tests/differential/facts.h"

namespace imgmount::testing {

// `blobs` are the tars as published, compressed or not. Exceptions on failure.
Facts OurFacts(std::span<const std::string> blobs,
               std::span<const std::string> tars,
               const std::filesystem::path& folder);

}  // namespace imgmount::testing

#endif  // IMGMOUNT_TESTS_DIFFERENTIAL_PIPELINE_H_
