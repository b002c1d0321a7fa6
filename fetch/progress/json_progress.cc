// SPDX-License-Identifier: Apache-2.0
#include "fetch/progress/json_progress.h"

#include <nlohmann/json.hpp>
#include <ostream>

#include "fetch/progress/step_text.h"

namespace imgmount {
namespace {

// Keeps the order in which Docker writes them.
using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kBetweenBytes{100};

void Print(std::ostream& out, const Json& event) {
  // Names that the user typed need not be UTF-8.
  out << event.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n'
      << std::flush;
}

}  // namespace

JsonProgress::JsonProgress(std::ostream& out, Clock clock)
    : out_(out), clock_(std::move(clock)) {}

void JsonProgress::Start(const std::string&) {}

void JsonProgress::Found(const Reference& reference) {
  const MutexLock lock(mutex_);
  Print(out_,
        {{"status", PullingFrom(reference)}, {"id", PulledName(reference)}});
}

void JsonProgress::Finish(const Digest& published,
                          const std::string& familiar) {
  const MutexLock lock(mutex_);
  Print(out_, {{"status", "Digest: " + published.text()}});
  Print(out_, {{"status", StatusLine(any_new_, familiar)}});
}

void JsonProgress::ShowName(const std::string& name, const Digest& published) {
  const MutexLock lock(mutex_);
  Print(out_, {{"aux", {{"Reference", name}, {"Digest", published.text()}}}});
}

void JsonProgress::OnImage(const Image&) {
  const MutexLock lock(mutex_);
  any_new_ = true;
}

void JsonProgress::OnLayer(const Digest& layer, Step step, uint64_t done,
                           uint64_t total) {
  const MutexLock lock(mutex_);
  const auto now = clock_();
  const auto last = last_events_.find(layer);
  const bool all = done == total;
  if (last != last_events_.end() && last->second.step == step &&
      CountsBytes(step) && !all && now - last->second.time < kBetweenBytes) {
    return;
  }
  last_events_.insert_or_assign(layer, Event{step, now});
  Json detail = Json::object();
  if (CountsBytes(step)) detail = {{"current", done}, {"total", total}};
  Print(out_, {{"status", StepText(step, done)},
               {"progressDetail", std::move(detail)},
               {"id", std::string(layer.short_hex())}});
}

void JsonProgress::OnLayerNotice(const Digest& layer, const std::string& text) {
  const MutexLock lock(mutex_);
  last_events_.erase(layer);
  Print(out_, {{"status", text},
               {"progressDetail", Json::object()},
               {"id", std::string(layer.short_hex())}});
}

void JsonProgress::OnNotice(const std::string& text) {
  const MutexLock lock(mutex_);
  Print(out_, {{"status", text}});
}

void JsonProgress::OnWarning(const std::string& text) {
  const MutexLock lock(mutex_);
  Print(out_, {{"status", "warning: " + text}});
}

void PrintJsonFailure(std::ostream& out, const Error& error) {
  Print(out, {{"errorDetail", {{"message", error.message()}}},
              {"error", error.message()}});
}

}  // namespace imgmount
