// SPDX-License-Identifier: Apache-2.0
// TlsFiles: certificates for one registry, beyond the system's CAs.
#ifndef IMGMOUNT_FETCH_HTTP_TLS_FILES_H_
#define IMGMOUNT_FETCH_HTTP_TLS_FILES_H_

#include <string>

namespace imgmount {

struct TlsFiles {
  // The folder where they were found, or the file that names them; "": nowhere.
  std::string place = {};
  std::string authorities = {};         // more CAs: PEM, as many as there are
  std::string client_certificate = {};  // path; "": none
  std::string client_key = {};          // path
  // How a client's certificate would be given at `place`, for messages.
  std::string client_form = "client.cert and client.key";
  bool operator==(const TlsFiles&) const = default;
};

}  // namespace imgmount

#endif  // IMGMOUNT_FETCH_HTTP_TLS_FILES_H_
