// SPDX-License-Identifier: Apache-2.0
#include "fetch/http/content_range.h"

#include <gtest/gtest.h>

namespace imgmount {
namespace {

TEST(ContentRange, IsParsed) {
  EXPECT_EQ(ContentRange::Parse("bytes 5-9/10"), (ContentRange{5, 9, 10}));
  EXPECT_EQ(ContentRange::Parse("bytes 0-0/*"), (ContentRange{0, 0, {}}));
}

TEST(ContentRange, RefusesWhatContradictsItself) {
  for (const char* text :
       {"", "bytes", "bytes */10", "bytes 9-5/10", "bytes 5-10/10",
        "bytes -5/10", "bytes 5-/10", "bytes 5-9", "bytes 5-9/", "lines 5-9/10",
        "bytes 5-9/1x", "bytes 5/9-10", "bytes +5-9/10",
        "bytes 0-99999999999999999999/*"}) {
    EXPECT_FALSE(ContentRange::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace imgmount
