// registries.conf, version 2 (containers-registries.conf(5)): where images of
// a name are really to be had.
#ifndef IMGMOUNT_FETCH_REGISTRY_REGISTRIES_CONF_H_
#define IMGMOUNT_FETCH_REGISTRY_REGISTRIES_CONF_H_

#include <string>
#include <string_view>
#include <vector>

#include "fetch/http/tls_files.h"
#include "meta/base/result.h"
#include "meta/base/tool_io.h"
#include "meta/image/reference.h"

namespace imgmount {

// One place that may have a repository.
struct Endpoint {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // there; a mirror may use another name
  bool insecure = false;   // plain HTTP and unknown certificates will do
  bool mirror = false;
  TlsFiles tls = {};  // see certs_d.h; registries.conf does not know
  bool operator==(const Endpoint&) const = default;
};

class RegistriesConf {
 public:
  // `explicit_path` (an option), else CONTAINERS_REGISTRIES_CONF, else
  // ~/.config/containers/registries.conf, else that of /etc; drop-ins of both
  // registries.conf.d folders on top, as in containers/image. Only the
  // explicitly named file must exist.
  static Result<RegistriesConf> Load(const std::string& explicit_path,
                                     const ToolIo& io);

  // Adds what a file says; an entry of the same prefix is replaced. kUsage
  // names file and line.
  Status Add(std::string_view toml, const std::string& file_name);

  // Mirrors in order, then the place itself; never empty. kDenied: blocked.
  Result<std::vector<Endpoint>> EndpointsFor(const Reference& reference) const;

 private:
  enum class Pull { kAll, kDigestOnly, kTagOnly };
  struct Place {
    std::string location;
    bool insecure = false;
    Pull pull = Pull::kAll;
  };
  struct Registry {
    std::string prefix;
    Place self;
    bool blocked = false;
    bool mirror_by_digest_only = false;
    std::vector<Place> mirrors;
    std::string file_name;  // for messages
  };
  const Registry* Match(const std::string& name) const;

  std::vector<Registry> registries_;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_REGISTRY_REGISTRIES_CONF_H_
