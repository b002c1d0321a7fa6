// SPDX-License-Identifier: Apache-2.0
#include "meta/image/platform.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::array kOperatingSystems = {
    "aix",     "android", "darwin",  "dragonfly", "freebsd", "illumos",
    "ios",     "js",      "linux",   "netbsd",    "openbsd", "plan9",
    "solaris", "wasip1",  "windows", "zos"};
constexpr std::array kArchitectures = {
    "386",    "amd64",    "arm",   "arm64",   "loong64", "mips",  "mips64",
    "mipsle", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"};

template <typename List>
bool Contains(const List& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string NormalOs(std::string_view os) {
  std::string lower = Lower(os);
  return lower == "macos" ? "darwin" : lower;
}

// The one spelling of an architecture that has several; default variants
// become empty, but for arm, where it is v7.
std::pair<std::string, std::string> NormalArchitecture(
    std::string_view architecture, std::string_view variant) {
  std::string a = Lower(architecture);
  std::string v = Lower(variant);
  if (a == "i386" || a == "i486" || a == "i586" || a == "i686") {
    return {"386", ""};
  }
  if (a == "x86_64" || a == "x86-64") a = "amd64";
  if (a == "aarch64") a = "arm64";
  if (a == "armhf" || a == "armv7l" || a == "armv8l") return {"arm", "v7"};
  if (a == "armel" || a == "armv6l") return {"arm", "v6"};
  if (a == "armv5tel" || a == "armv5tejl") return {"arm", "v5"};
  if (a == "loongarch64") a = "loong64";
  if (!v.empty() && v.front() >= '0' && v.front() <= '9') v.insert(0, "v");
  if (a == "amd64" && v == "v1") v.clear();
  if (a == "arm64" && (v == "v8" || v == "v8.0")) v.clear();
  if (a == "arm" && v.empty()) v = "v7";
  return {a, v};
}

Platform Normal(const Platform& platform) {
  auto [architecture, variant] =
      NormalArchitecture(platform.architecture, platform.variant);
  return {NormalOs(platform.os), architecture, variant, ""};
}

// Takes "(version)" off the end of an operating system's name.
std::string TakeVersion(std::string_view& os) {
  const size_t open = os.find('(');
  if (open == std::string_view::npos || !os.ends_with(')')) return "";
  const auto version = os.substr(open + 1, os.size() - open - 2);
  os = os.substr(0, open);
  return std::string(version);
}

bool IsVersion(std::string_view wanted, std::string_view version) {
  if (wanted.empty() || version.empty() || version == wanted) return true;
  return version.starts_with(wanted) && version[wanted.size()] == '.';
}

// 7 for "v7"; 0 for anything else.
int VariantNumber(std::string_view variant) {
  if (!variant.starts_with('v')) return 0;
  int number = 0;
  const auto [end, error] = std::from_chars(
      variant.data() + 1, variant.data() + variant.size(), number);
  const bool whole = end == variant.data() + variant.size();
  return error == std::errc() && whole && number < 100 ? number : 0;
}

// The platforms that a machine of this (normal) one runs, best first.
std::vector<Platform> RunnableOn(const Platform& machine) {
  std::vector<Platform> list = {machine};
  const auto add = [&](std::string_view architecture, std::string variant) {
    list.push_back(
        Normal({machine.os, std::string(architecture), variant, ""}));
  };
  const int version = VariantNumber(machine.variant);
  if (machine.architecture == "amd64") {
    for (int v = version - 1; v >= 1; --v) add("amd64", fmt::format("v{}", v));
    add("386", "");
  } else if (machine.architecture == "arm") {
    for (int v = version - 1; v >= 5; --v) add("arm", fmt::format("v{}", v));
  } else if (machine.architecture == "arm64") {
    for (int v = version - 1; v > 8; --v) add("arm64", fmt::format("v{}", v));
    if (!machine.variant.empty()) add("arm64", "v8");
    for (int v = 8; v >= 5; --v) add("arm", fmt::format("v{}", v));
  }
  return list;
}

bool IsPlatformWord(std::string_view word) {
  return !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
  });
}

}  // namespace

Result<Platform> Platform::Parse(std::string_view text) {
  const auto malformed = [&](std::string_view problem) {
    return Fail(ErrorCode::kUsage,
                fmt::format("platform {}: {}", Quoted(text), problem));
  };
  std::vector<std::string_view> parts;
  std::string version;
  for (std::string_view rest = text;;) {
    const size_t slash = rest.find('/');
    parts.push_back(rest.substr(0, slash));
    if (parts.size() == 1 && parts[0].ends_with(')')) {
      version = TakeVersion(parts[0]);
      if (!IsPlatformWord(version)) return malformed("malformed version");
    }
    if (!IsPlatformWord(parts.back()) || parts.size() > 3) {
      return malformed(
          "expected os/architecture[/variant], such as linux/arm64");
    }
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }

  if (parts.size() == 1) {
    const Platform here = OfThisMachine();
    const std::string os = NormalOs(parts[0]);
    if (Contains(kOperatingSystems, os)) {
      return Platform{os, here.architecture, here.variant, version};
    }
    const auto [architecture, variant] = NormalArchitecture(parts[0], "");
    if (Contains(kArchitectures, architecture)) {
      return Platform{here.os, architecture, variant, ""};
    }
    return malformed(
        "unknown operating system or architecture; expected "
        "os/architecture[/variant], such as linux/arm64");
  }
  Platform platform =
      Normal({std::string(parts[0]), std::string(parts[1]),
              parts.size() == 3 ? std::string(parts[2]) : "", ""});
  platform.os_version = version;
  return platform;
}

Platform Platform::OfThisMachine() {
  struct utsname name = {};
  ::uname(&name);
  return Normal({"linux", name.machine, "", ""});
}

int Platform::Match(const Platform& candidate) const {
  if (!IsVersion(os_version, candidate.os_version)) return 0;
  const std::vector<Platform> runnable = RunnableOn(Normal(*this));
  const auto it =
      std::find(runnable.begin(), runnable.end(), Normal(candidate));
  return static_cast<int>(runnable.end() - it);
}

bool Platform::NeedsFeatures() const {
  return std::any_of(os_features.begin(), os_features.end(),
                     [](const auto& feature) { return feature != "win32k"; });
}

std::string Platform::Text() const {
  std::string text = os;
  if (!os_version.empty()) text += '(' + os_version + ')';
  text += '/' + architecture;
  if (!variant.empty()) text += '/' + variant;
  return text;
}

}  // namespace imgmount
