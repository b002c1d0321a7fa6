// SPDX-License-Identifier: Apache-2.0
// certs.d: certificates for single registries, in the folders of Docker, of
// containers-certs.d(5), and of containerd.
#ifndef IMGMOUNT_FETCH_CONFIG_CERTS_D_H_
#define IMGMOUNT_FETCH_CONFIG_CERTS_D_H_

#include <string>

#include "fetch/config/environment.h"
#include "fetch/http/tls_files.h"
#include "meta/base/result.h"

namespace imgmount {

// The certificates in the first of these folders that exists: HOST[:PORT] in
// ~/.config/containers/certs.d, /etc/containers/certs.d, /etc/docker/certs.d;
// HOST[:PORT], then _default, in ~/.config/containerd/certs.d and
// /etc/containerd/certs.d (a hosts.toml there is hosts_toml.h's business).
// *.crt are CAs, NAME.cert with NAME.key is the client's certificate. kUsage
// names a file that has no counterpart. Nothing where there is no folder.
Result<TlsFiles> FindCertificates(const std::string& registry,
                                  const FetchEnvironment& environment);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_CONFIG_CERTS_D_H_
