// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/step_text.h"

#include <fmt/format.h>

#include "meta/text/quantities.h"

namespace imgmount {

using Step = PullObserver::Step;

std::string StepText(Step step, uint64_t done) {
  switch (step) {
    case Step::kPullingFsLayer:
      return "Pulling fs layer";
    case Step::kWaiting:
      return "Waiting";
    case Step::kDownloading:
      return "Downloading";
    case Step::kVerifyingChecksum:
      return "Verifying Checksum";
    case Step::kDownloadComplete:
      return "Download complete";
    case Step::kExtracting:
      return "Extracting";
    case Step::kPullComplete:
      return "Pull complete";
    case Step::kAlreadyExists:
      return "Already exists";
    case Step::kRetrying:
      break;
  }
  return "Retrying in " + Counted(static_cast<int64_t>(done), "second");
}

bool CountsBytes(Step step) {
  return step == Step::kDownloading || step == Step::kExtracting;
}

std::string PullingFrom(const Reference& reference) {
  return "Pulling from " + reference.repository;
}

std::string PulledName(const Reference& reference) {
  return reference.digest ? reference.Effective().Canonical()
                          : reference.Selector();
}

std::string StatusLine(bool downloaded, const std::string& familiar) {
  return fmt::format(
      "Status: {} for {}",
      downloaded ? "Downloaded newer image" : "Image is up to date", familiar);
}

}  // namespace imgmount
