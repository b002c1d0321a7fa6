// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/tls_alert.h"

#include <charconv>
#include <cstdint>

namespace imgmount {

std::optional<TlsRefusal> TlsRefusalIn(std::string_view detail) {
  // "error:0A00045C:SSL routines::tlsv13 alert certificate required": the
  // library's number, then the reason's (ERR_GET_LIB(3)). Alerts that came are
  // the reasons from 1000 on (SSL_AD_REASON_OFFSET).
  constexpr std::string_view kPrefix = "error:0A";
  constexpr uint32_t kAlerts = 1000;
  const size_t start = detail.find(kPrefix);
  if (start == std::string_view::npos) return {};
  const std::string_view digits = detail.substr(start + kPrefix.size(), 6);
  uint32_t reason = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), reason, 16);
  switch (static_cast<int64_t>(reason) - kAlerts) {
    case 40:  // handshake_failure
      return TlsRefusal::kOfHandshake;
    case 42:   // bad_certificate; old servers say it of none
    case 43:   // unsupported_certificate
    case 44:   // certificate_revoked
    case 45:   // certificate_expired
    case 46:   // certificate_unknown
    case 48:   // unknown_ca
    case 49:   // access_denied
    case 116:  // certificate_required
      return TlsRefusal::kOfCertificate;
    default:
      return {};
  }
}

}  // namespace imgmount
