// SPDX-License-Identifier: Apache-2.0
#include "meta/image/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "meta/image/layer_suffix.h"
#include "meta/text/printable.h"

namespace imgmount {
namespace {

constexpr std::string_view kDefaultRegistry = "docker.io";
constexpr std::string_view kLegacyRegistry = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr size_t kMaxRepository = 255;
constexpr size_t kMaxTag = 128;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsAlphaNumeric(char c) { return IsDigit(c) || IsLower(c) || IsUpper(c); }
bool IsRepositoryAlphaNumeric(char c) { return IsDigit(c) || IsLower(c); }

template <typename Predicate>
bool AllOf(std::string_view text, Predicate predicate) {
  return std::all_of(text.begin(), text.end(), predicate);
}

// Calls `check` for each part between separators, until one fails.
template <typename Check>
bool EachPart(std::string_view text, char separator, Check check) {
  while (true) {
    const size_t end = text.find(separator);
    if (!check(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

// domain-component := alnum, or alnum [alnum-]* alnum
bool IsHostComponent(std::string_view part) {
  return !part.empty() && part.front() != '-' && part.back() != '-' &&
         AllOf(part, [](char c) { return IsAlphaNumeric(c) || c == '-'; });
}

// host [":" port]; host is a domain name, an IPv4 address or "[IPv6]".
bool IsRegistry(std::string_view text) {
  std::string_view host = text;
  std::string_view after;
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos || close < 2) return false;
    host = text.substr(1, close - 1);
    after = text.substr(close + 1);
    if (!AllOf(host, [](char c) {
          return IsDigit(c) || (c >= 'a' && c <= 'f') ||
                 (c >= 'A' && c <= 'F') || c == ':';
        })) {
      return false;
    }
  } else {
    host = text.substr(0, text.find(':'));
    after = text.substr(host.size());
    if (!EachPart(host, '.', IsHostComponent)) return false;
  }
  return after.empty() || (after.size() > 1 && after.front() == ':' &&
                           AllOf(after.substr(1), IsDigit));
}

// path-component := [a-z0-9]+ (separator [a-z0-9]+)*
// separator      := "." | "_" | "__" | "-"+
bool IsRepositoryComponent(std::string_view part) {
  if (part.empty()) return false;
  size_t i = 0;
  while (true) {
    const size_t word = i;
    while (i < part.size() && IsRepositoryAlphaNumeric(part[i])) ++i;
    if (i == word) return false;
    if (i == part.size()) return true;
    const size_t start = i;
    while (i < part.size() && part[i] == part[start]) ++i;
    const size_t length = i - start;
    const char c = part[start];
    const bool separator =
        c == '-' || (c == '_' && length <= 2) || (c == '.' && length == 1);
    if (!separator) return false;
  }
}

bool IsTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= kMaxTag && tag.front() != '.' &&
         tag.front() != '-' && AllOf(tag, [](char c) {
           return IsAlphaNumeric(c) || c == '_' || c == '.' || c == '-';
         });
}

bool IsImageId(std::string_view text) {
  return text.size() == 64 && AllOf(text, [](char c) {
           return IsDigit(c) || (c >= 'a' && c <= 'f');
         });
}

// Whether the part before the first slash is a host and not a user's name.
// Docker takes upper case for one: no repository could have it.
bool LooksLikeRegistry(std::string_view first) {
  return first == "localhost" ||
         first.find_first_of(".:") != std::string_view::npos ||
         std::any_of(first.begin(), first.end(), IsUpper);
}

Failure Malformed(std::string_view text, std::string_view problem) {
  return Fail(ErrorCode::kUsage, fmt::format("invalid reference format: {}: {}",
                                             Quoted(text), problem));
}

}  // namespace

bool Reference::NamesRegistry(std::string_view text) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos &&
         LooksLikeRegistry(text.substr(0, slash));
}

Result<Reference> Reference::Parse(std::string_view text) {
  if (text.empty()) {
    return Fail(ErrorCode::kUsage,
                "invalid reference format: the image's name is empty");
  }
  if (text.find("://") != std::string_view::npos) {
    return Malformed(text, "an image's name has no scheme; leave out \"" +
                               std::string(text.substr(0, text.find("://"))) +
                               "://\"");
  }
  if (IsImageId(text)) {
    return Malformed(text,
                     "an image ID cannot be looked up in a registry; give a "
                     "name, or NAME@sha256:DIGEST");
  }

  Reference reference;
  reference.registry = kDefaultRegistry;
  std::string_view rest = text;
  const size_t slash = text.find('/');
  if (NamesRegistry(text)) {
    const std::string_view first = text.substr(0, slash);
    rest.remove_prefix(slash + 1);
    if (first != kLegacyRegistry) reference.registry = first;
    if (!IsRegistry(first)) {
      return Malformed(text, Quoted(first) + " is no host[:port]");
    }
  }

  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    auto digest = Digest::Parse(rest.substr(at + 1));
    if (!digest) {
      std::string wrong = digest.error().message();
      if (ParseLayerSuffix(text).value_or(LayerSuffix()).layer) {
        wrong += "; layers of images, as @N, are for imgmount and imgdiff";
      }
      return Malformed(text, wrong);
    }
    reference.digest = *std::move(digest);
    rest = rest.substr(0, at);
  }
  if (const size_t colon = rest.find(':'); colon != std::string_view::npos) {
    const std::string_view tag = rest.substr(colon + 1);
    if (!IsTag(tag)) {
      return Malformed(
          text, fmt::format("the tag {} is not of up to {} letters, digits, "
                            "\"_\", \".\" and \"-\"",
                            Quoted(tag), kMaxTag));
    }
    reference.tag = tag;
    rest = rest.substr(0, colon);
  } else if (!reference.digest) {
    reference.tag = "latest";
  }

  reference.repository = rest;
  if (reference.registry == kDefaultRegistry &&
      rest.find('/') == std::string_view::npos) {
    reference.repository.insert(0, kOfficialPrefix);
  }
  if (std::any_of(rest.begin(), rest.end(), IsUpper)) {
    return Malformed(text, fmt::format("repository name ({}) must be lowercase",
                                       reference.repository));
  }
  if (!EachPart(rest, '/', IsRepositoryComponent)) {
    return Malformed(
        text, fmt::format("the repository name {} is not of words of a-z and "
                          "0-9 joined by \".\", \"_\", \"__\", \"-\" or \"/\"",
                          Quoted(rest)));
  }
  if (reference.repository.size() > kMaxRepository) {
    return Malformed(
        text, fmt::format("repository name must not be more than {} characters",
                          kMaxRepository));
  }
  return reference;
}

std::string Reference::Canonical() const {
  std::string text = registry + '/' + repository;
  if (tag) text += ':' + *tag;
  if (digest) text += '@' + digest->text();
  return text;
}

std::string Reference::FamiliarName() const {
  const size_t slash = repository.find('/');
  const bool ambiguous =
      slash != std::string::npos &&
      LooksLikeRegistry(std::string_view(repository).substr(0, slash));
  if (registry != kDefaultRegistry || ambiguous) {
    return registry + '/' + repository;
  }
  if (!repository.starts_with(kOfficialPrefix)) return repository;
  const std::string name = repository.substr(kOfficialPrefix.size());
  return name.find('/') == std::string::npos ? name : repository;
}

std::string Reference::Familiar() const {
  std::string text = FamiliarName();
  if (tag) text += ':' + *tag;
  if (digest) text += '@' + digest->text();
  return text;
}

Reference Reference::Effective() const {
  Reference effective = *this;
  if (digest) effective.tag.reset();
  return effective;
}

std::string Reference::Selector() const {
  return digest ? digest->text() : tag.value_or("latest");
}

}  // namespace imgmount
