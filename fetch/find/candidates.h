// SPDX-License-Identifier: Apache-2.0
// Candidates: the references that a registry's image name may stand for.
#ifndef IMGMOUNT_FETCH_FIND_CANDIDATES_H_
#define IMGMOUNT_FETCH_FIND_CANDIDATES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fetch/config/registries_conf.h"
#include "fetch/source/source.h"
#include "fetch/source/transport.h"
#include "meta/base/result.h"
#include "meta/image/platform.h"
#include "meta/image/reference.h"
#include "meta/store/cache.h"

namespace imgmount {

struct Candidate {
  Reference reference;
  std::string why;  // "": the name says it itself
};

// Best first; never empty.
Result<std::vector<Candidate>> CandidatesFor(const ImageName& name,
                                             const RegistriesConf& conf);

// The candidate that is in the cache, else the first that a registry has;
// `open` connects to a candidate's registry. kUsage where the configuration
// forbids to choose. `short_name` is what the user wrote, for messages.
Result<Reference> ChooseCandidate(
    const std::string& short_name, const std::vector<Candidate>& candidates,
    const RegistriesConf& conf, const Cache& cache, const Platform& platform,
    const std::function<Result<std::unique_ptr<Source>>(const Reference&)>&
        open);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_FIND_CANDIDATES_H_
