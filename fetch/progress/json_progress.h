// SPDX-License-Identifier: Apache-2.0
// JsonProgress: a pull as a stream of JSON objects, one a line.
//
// They are those of the Docker Engine's API (POST /images/create), so what
// reads one reads the other:
//   {"status":"Pulling from library/nginx","id":"latest"}
//   {"status":"Downloading","progressDetail":{"current":5,"total":9},"id":"…"}
//   {"status":"Pull complete","progressDetail":{},"id":"4ebb5e7ad6ac"}
//   {"status":"Digest: sha256:…"}
// and the image's name at the end, {"aux":{"Reference":"…","Digest":"…"}}, or
//   {"errorDetail":{"message":"…"},"error":"…"}
#ifndef IMGMOUNT_FETCH_PROGRESS_JSON_PROGRESS_H_
#define IMGMOUNT_FETCH_PROGRESS_JSON_PROGRESS_H_

#include <chrono>
#include <functional>
#include <iosfwd>
#include <map>
#include <string>
#include <utility>

#include "fetch/progress/pull_progress.h"
#include "meta/base/mutex.h"

namespace imgmount {

// Thread-safe. A layer's bytes are shown ten times a second at most.
class JsonProgress : public PullProgress {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit JsonProgress(std::ostream& out,
                        Clock clock = std::chrono::steady_clock::now);

  void Start(const std::string& text) override;
  void Found(const Reference& reference) override;
  void Finish(const Digest& published, const std::string& familiar) override;
  void ShowName(const std::string& name, const Digest& published) override;
  void OnImage(const Image& image) override;
  void OnLayer(const Digest& layer, Step step, uint64_t done,
               uint64_t total) override;
  void OnLayerNotice(const Digest& layer, const std::string& text) override;
  void OnNotice(const std::string& text) override;
  void OnWarning(const std::string& text) override;

 private:
  struct Event {
    Step step;
    std::chrono::steady_clock::time_point time;
  };
  std::ostream& out_;
  const Clock clock_;
  Mutex mutex_;
  std::map<Digest, Event> last_events_ GUARDED_BY(mutex_);
  bool any_new_ GUARDED_BY(mutex_) = false;
};

// The line that tells a failure.
void PrintJsonFailure(std::ostream& out, const Error& error);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_JSON_PROGRESS_H_
