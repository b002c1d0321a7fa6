// SPDX-License-Identifier: Apache-2.0
// PullDisplay: a pull as `docker pull` shows it.
//
// On a terminal a line per layer, redrawn in place, with a bar where there is
// room, and below them a line of their sum; elsewhere a line per change of
// state; with kQuiet nothing. Thread-safe. The cursor always rests below what
// was drawn, so that a program that ends in the middle leaves the terminal in
// order.
#ifndef IMGMOUNT_FETCH_PROGRESS_PULL_DISPLAY_H_
#define IMGMOUNT_FETCH_PROGRESS_PULL_DISPLAY_H_

#include <chrono>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fetch/progress/pull_progress.h"
#include "meta/base/mutex.h"

namespace imgmount {

struct TerminalSize {
  int columns = 80;
  int rows = 24;
};

class PullDisplay : public PullProgress {
 public:
  enum class Style { kTerminal, kPlain, kQuiet };

  // Asked before every drawing, so that a resize is followed.
  using SizeSource = std::function<TerminalSize()>;
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `terminal_fd` is where `out` goes when the style is kTerminal.
  PullDisplay(std::ostream& out, Style style, int terminal_fd);
  PullDisplay(std::ostream& out, Style style, SizeSource size, Clock clock);
  ~PullDisplay() override;

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
  struct Layer {
    std::string id;        // twelve hex digits
    bool started = false;  // OnLayer was called for it
    Step step = Step::kPullingFsLayer;
    uint64_t done = 0;
    uint64_t total = 0;
    std::chrono::steady_clock::time_point since;  // of this step
    uint64_t done_at_start = 0;                   // of this step: resumed bytes
    uint64_t size = 0;                            // as published
    bool downloads = false;                       // it did not lie here
    uint64_t downloaded = 0;                      // of its bytes
    uint64_t resumed = 0;                         // that lay here before
    std::string notice = {};                      // in place of all that
  };
  Layer* Find(const Digest& layer) REQUIRES(mutex_);
  void ForgetNotice() REQUIRES(mutex_);
  void Line(const std::string& text) REQUIRES(mutex_);
  std::string LayerLine(const Layer& layer, int columns) const;
  // All that comes, in sum: bytes, how fast, and the time left. "" as long as
  // there is no telling, and once it is here.
  std::string SumLine() const REQUIRES(mutex_);
  void Draw(bool with_sum = true) REQUIRES(mutex_);

  std::ostream& out_;
  const Style style_;
  const SizeSource size_;
  const Clock clock_;

  Mutex mutex_;
  std::string notice_ GUARDED_BY(mutex_);  // the image's line; "": none
  // Lines to print for good, above all that is drawn.
  std::vector<std::string> warnings_ GUARDED_BY(mutex_);
  // In the image's order, each once.
  std::vector<Layer> layers_ GUARDED_BY(mutex_);
  std::map<Digest, size_t> position_ GUARDED_BY(mutex_);
  bool any_new_ GUARDED_BY(mutex_) = false;  // something was not there yet
  size_t settled_ GUARDED_BY(mutex_) = 0;    // lines that are printed for good
  // Lengths of the lines that are not.
  std::vector<size_t> drawn_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point drawn_at_ GUARDED_BY(mutex_);
  // When the first byte of a layer came.
  std::optional<std::chrono::steady_clock::time_point> downloading_since_
      GUARDED_BY(mutex_);
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_PROGRESS_PULL_DISPLAY_H_
