// SPDX-License-Identifier: Apache-2.0
#include "fetch/find/candidates.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace imgmount {
namespace {

// Whether a registry has the image.
Status LookUp(const Reference& reference,
              Result<std::unique_ptr<Source>> opened) {
  IMGMOUNT_TRY(const auto source, std::move(opened));
  IMGMOUNT_CHECK(source->FetchManifest(reference.Selector()));
  return {};
}

}  // namespace

Result<std::vector<Candidate>> CandidatesFor(const ImageName& name,
                                             const RegistriesConf& conf) {
  IMGMOUNT_TRY(const Reference reference, Reference::Parse(name.reference));
  if (name.explicitly_docker || Reference::NamesRegistry(name.reference)) {
    return std::vector{Candidate{reference, ""}};
  }
  std::vector<Candidate> candidates;
  for (const auto& [text, why] : conf.FullNamesOf(name.reference)) {
    IMGMOUNT_TRY(const Reference full, Reference::Parse(text));
    candidates.push_back({full, why});
  }
  return candidates;
}

Result<Reference> ChooseCandidate(
    const std::string& short_name, const std::vector<Candidate>& candidates,
    const RegistriesConf& conf, const Cache& cache, const Platform& platform,
    const std::function<Result<std::unique_ptr<Source>>(const Reference&)>&
        open) {
  for (const Candidate& candidate : candidates) {
    if (cache.Find(candidate.reference, platform)) return candidate.reference;
  }
  if (!conf.enforcing_file().empty()) {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates) {
      names.push_back(candidate.reference.Familiar());
    }
    return Fail(ErrorCode::kUsage,
                fmt::format("{}: which one is meant? short-name-mode in {} is "
                            "enforcing: write {}",
                            short_name, conf.enforcing_file(),
                            fmt::join(names, " or ")));
  }
  std::string refusals;
  ErrorCode code = ErrorCode::kNotFound;
  for (const Candidate& candidate : candidates) {
    const Reference& reference = candidate.reference;
    const Status found = LookUp(reference, open(reference));
    if (found) return reference;
    const Error& error = found.error();
    if (error.code() == ErrorCode::kCancelled) return Failure(error);
    if (error.code() != ErrorCode::kNotFound) code = error.code();
    refusals += (refusals.empty() ? "" : "; ") + reference.registry + ": " +
                error.message();
  }
  return Fail(code, fmt::format("{}: in none of the {}: {}", short_name,
                                candidates.front().why, refusals));
}

}  // namespace imgmount
