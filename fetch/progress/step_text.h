// SPDX-License-Identifier: Apache-2.0
// A pull in Docker's words.
#ifndef IMGMOUNT_FETCH_PROGRESS_STEP_TEXT_H_
#define IMGMOUNT_FETCH_PROGRESS_STEP_TEXT_H_

#include <string>

#include "fetch/source/pull_observer.h"
#include "meta/image/reference.h"

namespace imgmount {

// "Pull complete", "Retrying in 2 seconds". Both are those of OnLayer().
std::string StepText(PullObserver::Step step, uint64_t done);

// Whether a step is reported again and again, with the bytes done.
bool CountsBytes(PullObserver::Step step);

// "Pulling from library/nginx", and in front of it "latest", or the whole name
// with a digest.
std::string PullingFrom(const Reference& reference);
std::string PulledName(const Reference& reference);

// "Status: Downloaded newer image for nginx:latest".
std::string StatusLine(bool downloaded, const std::string& familiar);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_STEP_TEXT_H_
