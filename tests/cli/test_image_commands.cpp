// SPDX-License-Identifier: Apache-2.0
//
// The built program's `ls`, `pin`, `unpin`, `evict` and `events` against a daemon that the test
// plays.

#include "cli/program.h"

namespace layby::cli {
namespace {

class ImageCommandsTest : public ProgramTest {
 protected:
  Outcome run_there(const std::string& arguments) const {
    return run(arguments + " --socket " + socket());
  }
};

using Lines = std::vector<std::string>;

TEST_F(ImageCommandsTest, LsListsImages) {
  PlayedDaemon daemon(socket(), http("200 OK", R"({"images": [{"image": "debian:12"}]})"));
  const Outcome outcome = run_there("ls");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_TRUE(says(outcome, "debian:12")) << outcome.output;
  EXPECT_TRUE(says(outcome, "1 image, 0 B stored")) << outcome.output;
  EXPECT_EQ(daemon.asked(), Lines{"GET /images"});
}

TEST_F(ImageCommandsTest, LsTakesAPattern) {
  const PlayedDaemon daemon(socket(), http("200 OK", R"({"images": [{"image": "debian:12"}]})"));
  EXPECT_TRUE(says(run_there("ls redis"), "No cached image matches \"redis\""));
}

TEST_F(ImageCommandsTest, LsPrintsTheJsonUnchanged) {
  const PlayedDaemon daemon(socket(), http("200 OK", "{\"images\":[]}"));
  EXPECT_EQ(run_there("ls --json").output, "{\"images\":[]}\n");
}

TEST_F(ImageCommandsTest, LsRefusesJsonWithAPattern) {
  EXPECT_EQ(run_there("ls --json redis").exit_code, 2);
}

TEST_F(ImageCommandsTest, EventsListsEvents) {
  PlayedDaemon daemon(socket(), http("200 OK", R"({"events": [{"kind": "tag.moved"}]})"));
  const Outcome outcome = run_there("events");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_TRUE(says(outcome, "tag.moved")) << outcome.output;
  EXPECT_EQ(daemon.asked(), Lines{"GET /events"});
}

TEST_F(ImageCommandsTest, EventsPrintsTheJsonUnchanged) {
  const PlayedDaemon daemon(socket(), http("200 OK", "{\"events\":[]}"));
  EXPECT_EQ(run_there("events --json").output, "{\"events\":[]}\n");
}

TEST_F(ImageCommandsTest, PinUnpinAndEvictRequireAnImage) {
  for (const char* command : {"pin", "unpin", "evict"}) {
    EXPECT_EQ(run_there(command).exit_code, 2) << command;
  }
}

TEST_F(ImageCommandsTest, WithoutADaemonEachCommandSaysOnceHowToStartOne) {
  for (const char* command : {"ls", "pin a b", "unpin a b", "evict a b", "evict --bytes 1"}) {
    const Outcome outcome = run_there(command);
    EXPECT_EQ(outcome.exit_code, 1) << command;
    const std::size_t hint = outcome.output.find("layby serve");
    EXPECT_NE(hint, std::string::npos) << outcome.output;
    EXPECT_EQ(outcome.output.find("layby serve", hint + 1), std::string::npos) << outcome.output;
  }
}

TEST_F(ImageCommandsTest, PinPinsEachImage) {
  PlayedDaemon daemon(socket(), [](const Asked& asked) {
    return asked.line.ends_with("debian%3A12")
               ? http("200 OK", R"({"image": "debian:12", "cached": true})")
               : http("200 OK", R"({"image": "ghcr.io/acme/tool:1", "cached": false})");
  });
  const Outcome outcome = run_there("pin debian:12 ghcr.io/acme/tool:1");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output,
            "debian:12 is pinned\n"
            "ghcr.io/acme/tool:1 is pinned; it isn't cached yet, and will be kept after its first "
            "pull\n");
  EXPECT_EQ(daemon.asked(),
            (Lines{"POST /pin?image=debian%3A12", "POST /pin?image=ghcr.io%2Facme%2Ftool%3A1"}));
}

TEST_F(ImageCommandsTest, AnImageNameIsEscapedInTheRequest) {
  PlayedDaemon daemon(socket(), http("400 Bad Request", R"({"error": "name an image"})"));
  EXPECT_EQ(run_there("pin 'a&image=b c%#?'").exit_code, 1);
  EXPECT_EQ(daemon.asked(), Lines{"POST /pin?image=a%26image%3Db%20c%25%23%3F"});
}

TEST_F(ImageCommandsTest, UnpinSaysWhetherThereWasAPin) {
  PlayedDaemon daemon(socket(), [](const Asked& asked) {
    return asked.line.ends_with("image=a")
               ? http("200 OK", R"({"image": "a:latest", "was_pinned": true})")
               : http("200 OK", R"({"image": "b:latest", "was_pinned": false})");
  });
  EXPECT_EQ(run_there("unpin a b").output,
            "a:latest is no longer pinned\nb:latest was not pinned\n");
  EXPECT_EQ(daemon.asked(), (Lines{"POST /unpin?image=a", "POST /unpin?image=b"}));
}

TEST_F(ImageCommandsTest, EvictGoesOnAfterARefusal) {
  PlayedDaemon daemon(socket(), [](const Asked& asked) {
    if (asked.line.ends_with("pinned")) {
      return http("409 Conflict", R"({"error": "it is pinned; unpin it first"})");
    }
    if (asked.line.ends_with("absent"))
      return http("404 Not Found", R"({"error": "no such image"})");
    return http("200 OK", R"({"image": "debian:12", "blobs": 4, "bytes": 123})");
  });
  const Outcome outcome = run_there("evict pinned absent debian:12");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            "layby: pinned: it is pinned; unpin it first\n"
            "layby: absent: no such image\n"
            "debian:12 is evicted: 4 blobs, 123 B freed\n");
  EXPECT_EQ(daemon.asked().size(), 3U);
}

TEST_F(ImageCommandsTest, JsonHasOneLineForEachImage) {
  const PlayedDaemon daemon(socket(), http("200 OK", R"({"blobs":1})"));
  EXPECT_EQ(run_there("evict --json a b").output, "{\"blobs\":1}\n{\"blobs\":1}\n");
}

TEST_F(ImageCommandsTest, EvictBySizeTakesUnits) {
  PlayedDaemon daemon(socket(), http("200 OK", R"({"blobs": 1, "bytes": 3000000000})"));
  const Outcome outcome = run_there("evict --bytes 2GiB");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.output, "1 blob, 3.0 GB freed\n");
  EXPECT_EQ(daemon.asked(), Lines{"POST /evict?bytes=2147483648"});
}

TEST_F(ImageCommandsTest, EvictFailsWhenItFreesLessThanAsked) {
  const PlayedDaemon daemon(socket(), http("200 OK", R"({"blobs": 0, "bytes": 0})"));
  const Outcome outcome = run_there("evict --bytes 1");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output,
            "0 blobs, 0 B freed; nothing more can go, since the rest is pinned or in use\n");
}

TEST_F(ImageCommandsTest, AnInvalidSizeIsMisuse) {
  for (const char* size : {"lots", "0", "''", "-1"}) {
    const Outcome outcome = run_there(std::string("evict --bytes ") + size);
    EXPECT_EQ(outcome.exit_code, 2) << size << ": " << outcome.output;
  }
  EXPECT_TRUE(says(run_there("evict --bytes lots"), "write 4096, 64KiB, 1.5GiB or 2MB"));
}

TEST_F(ImageCommandsTest, EvictRefusesImagesTogetherWithASize) {
  EXPECT_EQ(run_there("evict --bytes 1GB debian:12").exit_code, 2);
}

TEST_F(ImageCommandsTest, ALongErrorOfTheDaemonIsShownWhole) {
  const std::string sentence = std::string(300, 'x') + "; do that";
  const PlayedDaemon daemon(socket(),
                            http("503 Service Unavailable", R"({"error": ")" + sentence + "\"}"));
  const Outcome outcome = run_there("pin a");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "layby: a: " + sentence + "\n");
}

TEST_F(ImageCommandsTest, AnErrorCantSteerTheTerminal) {
  const PlayedDaemon daemon(socket(), http("409 Conflict", R"({"error": "\u001b[2J"})"));
  EXPECT_EQ(run_there("pin $(printf '\\033')").output, "layby: \\x1b: \\x1b[2J\n");
}

TEST_F(ImageCommandsTest, AnotherProgramOnTheSocketIsReported) {
  const PlayedDaemon other(socket(), http("404 Not Found", R"({"errors": []})"));
  EXPECT_TRUE(says(run_there("ls"), "answered 404 for /images; is it another program"));
}

}  // namespace
}  // namespace layby::cli
