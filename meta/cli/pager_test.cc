// SPDX-License-Identifier: Apache-2.0
#include "meta/cli/pager.h"

#include <gtest/gtest.h>

#include "meta/base/file.h"
#include "tests/support/tar_builder.h"
#include "tests/support/test_io.h"

namespace imgmount {
namespace {

// Pagers that write to a file stand for those that write to the terminal.
class PagerTest : public ::testing::Test {
 protected:
  ToolIo Terminal() const {
    return {.out = io_.io.out,
            .err = io_.io.err,
            .out_is_terminal = true,
            .env = io_.io.env};
  }
  std::string Shown() const {
    return ReadFile(file_, 1 << 30).value_or("nothing");
  }

  const testing::TemporaryFolder folder_;
  const std::string file_ = (folder_.path() / "shown").string();
  testing::TestIo io_;
};

TEST_F(PagerTest, ShowsWhatIsWrittenOnATerminal) {
  io_.env["PAGER"] = "cat > " + file_;
  const ToolIo io = Terminal();
  PagedOutput paged(io, true);
  paged.io().out << std::string(300'000, 'x') << "end";
  EXPECT_TRUE(paged.Finish());
  EXPECT_EQ(Shown(), std::string(300'000, 'x') + "end");
  EXPECT_EQ(io_.out.str(), "");
}

TEST_F(PagerTest, OurVariableComesFirst) {
  io_.env["PAGER"] = "false";
  io_.env["IMGMOUNT_PAGER"] = "cat > " + file_;
  const ToolIo io = Terminal();
  PagedOutput paged(io, true);
  paged.io().out << "text" << std::flush;
  EXPECT_TRUE(paged.Finish());
  EXPECT_EQ(Shown(), "text");
}

TEST_F(PagerTest, StartsWithTheFirstByte) {
  io_.env["PAGER"] = "cat > " + file_;
  const ToolIo io = Terminal();
  PagedOutput paged(io, true);
  paged.io().out << std::flush;
  EXPECT_TRUE(paged.Finish());
  EXPECT_EQ(Shown(), "nothing");
}

TEST_F(PagerTest, TellsLessHowToBehaveUnlessTheUserDid) {
  io_.env["PAGER"] = "echo $LESS > " + file_;
  {
    const ToolIo io = Terminal();
    PagedOutput paged(io, true);
    paged.io().out << "text";
  }
  EXPECT_EQ(Shown(), "FRX\n");
  io_.env["LESS"] = "S";
  {
    const ToolIo io = Terminal();
    PagedOutput paged(io, true);
    paged.io().out << "text";
  }
  EXPECT_NE(Shown(), "FRX\n");
}

TEST_F(PagerTest, NotWantedNotATerminalOrEmpty) {
  const auto shown_plainly = [&](const ToolIo& io, bool wanted) {
    io_.out.str("");
    PagedOutput paged(io, wanted);
    paged.io().out << "text";
    return paged.Finish() && io_.out.str() == "text" && Shown() == "nothing";
  };
  io_.env["PAGER"] = "cat > " + file_;
  EXPECT_TRUE(shown_plainly(Terminal(), false));
  EXPECT_TRUE(shown_plainly(io_.io, true));
  io_.env["PAGER"] = "";
  EXPECT_TRUE(shown_plainly(Terminal(), true));
  io_.env["PAGER"] = "cat";
  EXPECT_TRUE(shown_plainly(Terminal(), true));
}

TEST_F(PagerTest, WithoutThePagerTheOutputIsPlain) {
  for (const char* pager : {"/no/such/pager", "/no/such/pager -R 2>&-"}) {
    io_.env["PAGER"] = pager;
    io_.out.str("");
    const ToolIo io = Terminal();
    PagedOutput paged(io, true);
    const std::string text(40'000, 'x');
    paged.io().out << text << text;
    EXPECT_TRUE(paged.Finish()) << pager;
    EXPECT_EQ(io_.out.str(), text + text) << pager;
  }
}

TEST_F(PagerTest, LeavingItEarlyIsNoError) {
  io_.env["PAGER"] = "head -c 3 > " + file_;
  const ToolIo io = Terminal();
  PagedOutput paged(io, true);
  while (paged.io().out << "text") {
  }
  EXPECT_TRUE(paged.Finish());
  EXPECT_EQ(Shown(), "tex");
}

TEST_F(PagerTest, OutputThatCannotBeWrittenIsAnError) {
  io_.out.setstate(std::ios::badbit);
  PagedOutput paged(io_.io, true);
  paged.io().out << "text";
  EXPECT_EQ(paged.Finish().error().code(), ErrorCode::kIo);
}

}  // namespace
}  // namespace imgmount
