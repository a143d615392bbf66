// SPDX-License-Identifier: Apache-2.0
//
// The arguments and files that the built program's `layby firmware` refuses.

#include "cli/program.h"

namespace layby::cli {
namespace {

class FirmwareCommandTest : public ProgramTest {};

TEST_F(FirmwareCommandTest, AFileThatHoldsNoFirmwareIsRefused) {
  const std::string file = write("hello");
  for (const std::string& command : {"firmware show " + file, "firmware write --to none " + file}) {
    const Outcome outcome = run(command + " --key " + file);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    EXPECT_TRUE(says(outcome, file + ": no firmware file: ")) << outcome.output;
  }
}

TEST_F(FirmwareCommandTest, AnAddressWithAnotherSchemeIsRefused) {
  const std::string file = write("hello");
  const Outcome outcome = run("firmware fetch file://" + file + " --to " + file + ".got");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_TRUE(says(outcome, "file://" + file + ": ")) << outcome.output;
}

TEST_F(FirmwareCommandTest, AVerbIsNeeded) {
  EXPECT_EQ(run("firmware").exit_code, 2);
  EXPECT_EQ(run("firmware write file").exit_code, 2);
}

}  // namespace
}  // namespace layby::cli
