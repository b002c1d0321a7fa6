// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/tls_alert.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(TlsAlert, ARefusedCertificateIsToldByTheCode) {
  for (const char* detail :
       {"OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert "
        "certificate required, errno 0",
        "error:0A000412:SSL routines::sslv3 alert bad certificate",
        "error:0A000418:SSL routines::tlsv1 alert unknown ca",
        "error:0A000415:SSL routines::ssl/tls alert certificate expired"}) {
    EXPECT_EQ(TlsRefusalIn(detail), TlsRefusal::kOfCertificate) << detail;
  }
  EXPECT_EQ(TlsRefusalIn("error:0A000410:SSL routines::sslv3 alert handshake "
                         "failure"),
            TlsRefusal::kOfHandshake);
}

TEST(TlsAlert, OtherTroubleIsNone) {
  for (const char* detail :
       {"", "Connection reset by peer", "error:0A",
        "error:0A00010B:SSL routines::wrong version number",
        "error:0A000438:SSL routines::tlsv1 alert internal error",
        // Our own finding.
        "error:0A000086:SSL routines::certificate verify failed",
        "error:80000412:system library::x"}) {
    EXPECT_EQ(TlsRefusalIn(detail), std::nullopt) << detail;
  }
}

}  // namespace
}  // namespace imgmount
