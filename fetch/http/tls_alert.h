// SPDX-License-Identifier: Apache-2.0
// The alert with which a TLS server ends a connection (RFC 8446, 6.2).
#ifndef IMGMOUNT_FETCH_HTTP_TLS_ALERT_H_
#define IMGMOUNT_FETCH_HTTP_TLS_ALERT_H_

#include <optional>
#include <string_view>

namespace imgmount {

enum class TlsRefusal {
  kOfCertificate,  // the client's: a bad one, or none
  kOfHandshake,    // no common ground; TLS 1.2 servers say that of none, too
};

// Reads from an error text of libcurl what the server refused: by the code in
// it, as OpenSSL words alerts differently from version to version. nullopt:
// nothing of that kind.
std::optional<TlsRefusal> TlsRefusalIn(std::string_view detail);

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_TLS_ALERT_H_
