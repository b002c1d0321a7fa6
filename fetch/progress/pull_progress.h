// SPDX-License-Identifier: Apache-2.0
// PullProgress: what a tool shows of a pull, from its first line to its last.
#ifndef IMGMOUNT_FETCH_PROGRESS_PULL_PROGRESS_H_
#define IMGMOUNT_FETCH_PROGRESS_PULL_PROGRESS_H_

#include <functional>
#include <iosfwd>
#include <memory>
#include <string>

#include "fetch/source/pull_observer.h"
#include "fetch/source/source.h"
#include "meta/image/reference.h"

namespace imgmount {

class PullProgress : public PullObserver, public SourceListener {
 public:
  // "Using default tag: latest", where `text`, as the user typed it, has none.
  virtual void Start(const std::string& text) = 0;
  // "latest: Pulling from library/nginx", once the image has been found.
  virtual void Found(const Reference& reference) = 0;
  // "Digest: …" and "Status: …".
  virtual void Finish(const Digest& published, const std::string& familiar) = 0;
  // The image's whole name, for scripts. Also when quiet.
  virtual void ShowName(const std::string& name, const Digest& published) = 0;
};

// Makes one for each pull.
using ProgressFactory = std::function<std::unique_ptr<PullProgress>()>;

enum class ProgressStyle {
  kAuto,  // redrawn in place on a terminal, else kPlain
  kPlain,
  kJson,
};

// `fd` is where `out` goes. Quiet goes before any style.
std::unique_ptr<PullProgress> MakeProgress(std::ostream& out, bool is_terminal,
                                           int fd, ProgressStyle style,
                                           bool quiet);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_PULL_PROGRESS_H_
