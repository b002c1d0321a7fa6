// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/pull_display.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <ostream>

#include "fetch/progress/progress_bar.h"
#include "fetch/progress/step_text.h"
#include "meta/text/quantities.h"

namespace imgmount {
namespace {

using Step = PullObserver::Step;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenDrawings{100};
// A terminal this wide has room for speed and time left behind the bar.
constexpr int kColumnsForSpeed = 130;

bool IsLast(Step step) {
  return step == Step::kPullComplete || step == Step::kAlreadyExists;
}

TerminalSize SizeOfTerminal(int fd) {
  struct winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return {};
  return {size.ws_col, size.ws_row == 0 ? 24 : size.ws_row};
}

}  // namespace

PullDisplay::PullDisplay(std::ostream& out, Style style, int terminal_fd)
    : PullDisplay(
          out, style, [terminal_fd] { return SizeOfTerminal(terminal_fd); },
          steady_clock::now) {}

PullDisplay::PullDisplay(std::ostream& out, Style style, SizeSource size,
                         Clock clock)
    : out_(out), style_(style), size_(std::move(size)), clock_(clock) {}

// A last time: for the bytes that came since, and over a ^C in between.
PullDisplay::~PullDisplay() {
  if (!drawn_.empty()) Draw(/*with_sum=*/false);
}

void PullDisplay::Line(const std::string& text) {
  if (style_ != Style::kQuiet) out_ << text << '\n' << std::flush;
}

void PullDisplay::Start(const std::string& text) {
  const MutexLock lock(mutex_);
  // A tag stands behind the last slash; a colon before it belongs to a port.
  const bool says_which =
      text.find('@') != std::string::npos ||
      text.find(':', text.rfind('/') + 1) != std::string::npos;
  if (!says_which) Line("Using default tag: latest");
}

void PullDisplay::Found(const Reference& reference) {
  const MutexLock lock(mutex_);
  ForgetNotice();
  Line(PulledName(reference) + ": " + PullingFrom(reference));
}

void PullDisplay::Finish(const Digest& published, const std::string& familiar) {
  const MutexLock lock(mutex_);
  ForgetNotice();
  Line("Digest: " + published.text());
  Line(StatusLine(any_new_, familiar));
}

void PullDisplay::ShowName(const std::string& name, const Digest&) {
  const MutexLock lock(mutex_);
  out_ << name << '\n' << std::flush;
}

void PullDisplay::OnImage(const Image& image) {
  const MutexLock lock(mutex_);
  ForgetNotice();
  any_new_ = true;
  for (const Descriptor& layer : image.manifest.layers) {
    const auto [entry, is_new] =
        position_.emplace(layer.digest, layers_.size());
    if (!is_new) continue;
    layers_.push_back({.id = std::string(layer.digest.short_hex()),
                       .since = clock_(),
                       .size = layer.size});
  }
}

void PullDisplay::OnLayer(const Digest& digest, Step step, uint64_t done,
                          uint64_t total) {
  if (style_ == Style::kQuiet) return;
  const MutexLock lock(mutex_);
  Layer* const found = Find(digest);
  if (found == nullptr) return;
  Layer& layer = *found;
  layer.notice.clear();
  const bool new_step = layer.step != step || !layer.started;
  if (new_step) {
    layer.since = clock_();
    layer.done_at_start = done;
  }
  layer.started = true;
  layer.step = step;
  layer.done = done;
  layer.total = total;
  if (step == Step::kDownloading) {
    if (!downloading_since_) downloading_since_ = clock_();
    if (!layer.downloads) layer.resumed = done;
    layer.downloads = true;
    layer.downloaded = done;
  } else if (step != Step::kRetrying && layer.downloads) {
    layer.downloaded = layer.size;
  }
  if (style_ == Style::kTerminal) {
    if (new_step || clock_() - drawn_at_ >= kBetweenDrawings) Draw();
  } else if (new_step && !CountsBytes(step)) {
    Line(LayerLine(layer, 0));
  }
}

PullDisplay::Layer* PullDisplay::Find(const Digest& layer) {
  const auto found = position_.find(layer);
  return found == position_.end() ? nullptr : &layers_[found->second];
}

void PullDisplay::OnLayerNotice(const Digest& digest, const std::string& text) {
  if (style_ == Style::kQuiet) return;
  const MutexLock lock(mutex_);
  Layer* const layer = Find(digest);
  if (layer == nullptr) return;
  layer->notice = text;
  layer->started = true;
  if (style_ == Style::kTerminal) {
    Draw();
  } else {
    Line(LayerLine(*layer, 0));
  }
}

void PullDisplay::OnNotice(const std::string& text) {
  const MutexLock lock(mutex_);
  if (style_ == Style::kTerminal) {
    notice_ = text;
    Draw();
  } else {
    Line(text);
  }
}

void PullDisplay::ForgetNotice() {
  if (notice_.empty()) return;
  notice_.clear();
  Draw();
}

void PullDisplay::OnWarning(const std::string& text) {
  const MutexLock lock(mutex_);
  if (style_ == Style::kTerminal) {
    warnings_.push_back("warning: " + text);
    Draw();
  } else {
    Line("warning: " + text);
  }
}

std::string PullDisplay::LayerLine(const Layer& layer, int columns) const {
  if (!layer.notice.empty()) return layer.id + ": " + layer.notice;
  std::string line = layer.id + ": " + StepText(layer.step, layer.done);
  if (!CountsBytes(layer.step)) return line;
  std::string progress = " " + ProgressBar(layer.done, layer.total, columns);
  if (line.size() + progress.size() > static_cast<size_t>(columns)) {
    progress = " " + ProgressBar(layer.done, 0, columns);
  }
  line += progress;
  const auto spent = std::chrono::duration<double>(clock_() - layer.since);
  const uint64_t moved = layer.done - layer.done_at_start;
  if (columns < kColumnsForSpeed || spent.count() < 1 || moved == 0 ||
      layer.done >= layer.total) {
    return line;
  }
  const double speed = static_cast<double>(moved) / spent.count();
  const auto left = static_cast<double>(layer.total - layer.done) / speed;
  return line + fmt::format("  {}/s  {} left",
                            HumanSize(static_cast<uint64_t>(speed)),
                            HumanDuration(std::chrono::seconds(
                                static_cast<int64_t>(std::min(left, 1e6)))));
}

std::string PullDisplay::SumLine() const {
  if (!downloading_since_) return "";
  uint64_t done = 0;
  uint64_t total = 0;
  uint64_t moved = 0;
  for (const Layer& layer : layers_) {
    const bool waits = layer.step == Step::kPullingFsLayer ||
                       layer.step == Step::kWaiting ||
                       layer.step == Step::kRetrying;
    if (!layer.downloads && !waits) continue;
    total += layer.size;
    done += layer.downloaded;
    moved += layer.downloaded - std::min(layer.downloaded, layer.resumed);
  }
  const auto spent =
      std::chrono::duration<double>(clock_() - *downloading_since_);
  if (spent.count() < 1 || moved == 0 || done >= total) return "";
  const double speed = static_cast<double>(moved) / spent.count();
  const double left = static_cast<double>(total - done) / speed;
  return fmt::format("Total: {}/{}  {}/s  {} left", HumanSize(done),
                     HumanSize(total), HumanSize(static_cast<uint64_t>(speed)),
                     HumanDuration(std::chrono::seconds(
                         static_cast<int64_t>(std::min(left, 1e6)))));
}

// Redraws the lines that may still change. Those above them are settled: they
// scroll away like any text, so there may be more layers than the terminal
// has rows.
void PullDisplay::Draw(bool with_sum) {
  const TerminalSize size = size_();
  const auto columns = static_cast<size_t>(std::max(size.columns, 1));
  // A terminal that became narrower has wrapped what was drawn.
  size_t rows_up = 0;
  for (const size_t length : drawn_) {
    rows_up += std::max<size_t>((length + columns - 1) / columns, 1);
  }
  std::string frame;
  if (rows_up > 0) frame += fmt::format("\033[{}A", rows_up);
  frame += "\r\033[J";
  const auto draw_text = [&](const std::string& text) {
    const std::string line = text.substr(0, columns);
    frame += line + '\n';
    return line.size();
  };
  const auto draw = [&](const Layer& layer) {
    return draw_text(LayerLine(layer, size.columns));
  };
  for (const std::string& warning : warnings_) frame += warning + '\n';
  warnings_.clear();
  while (settled_ < layers_.size() && IsLast(layers_[settled_].step)) {
    draw(layers_[settled_++]);
  }
  drawn_.clear();
  if (!notice_.empty()) drawn_.push_back(draw_text(notice_));
  const std::string sum = with_sum ? SumLine() : "";
  const auto room =
      static_cast<size_t>(std::max(size.rows - (sum.empty() ? 1 : 2), 1));
  for (size_t i = settled_; i < layers_.size() && drawn_.size() < room; ++i) {
    if (layers_[i].started) drawn_.push_back(draw(layers_[i]));
  }
  if (!sum.empty()) drawn_.push_back(draw_text(sum));
  out_ << frame << std::flush;
  drawn_at_ = clock_();
}

}  // namespace imgmount
