#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The prefetch list: its images are cached before anybody pulls them, and clients go first.

Each test saves a list, or has a list in force, and checks the traffic that the list causes on
the link: which manifests and blobs are fetched, how often, and which pulls have to wait.
"""
from __future__ import annotations

import json
import signal
import subprocess
import time
import unittest
from pathlib import Path
from typing import Any

from harness import (ACCEPT, CLIENTS, EndToEnd, Parts, Pulls, add_image, add_index, digest_of,
                     layby_binary, make_image, make_index, native_architecture, parts_of, tar_of,
                     wait_until)

MIB = 1 << 20
NATIVE = f"linux/{native_architecture()}"
OTHER = "linux/s390x"


def window_hours_away() -> str:
    """A window of the day that none of these tests runs in."""
    hour = time.localtime().tm_hour
    return f"{(hour + 8) % 24:02}:00-{(hour + 9) % 24:02}:00"


class PrefetchCase(EndToEnd):
    config: dict[str, Any] = {"tags": {"fresh_for": "0s", "keep_fresh": "0s"}}

    def entry(self, image: str, *tags: str, **more: Any) -> dict[str, Any]:
        return {"image": image, "tags": list(tags), "platforms": [NATIVE], **more}

    def run_list(self, *images: dict[str, Any], run: int = 1, **top: Any) -> dict[str, Any]:
        """Saves the list and waits for the run that follows."""
        self.layby.save_list(list(images), **top)
        return self.layby.end_of_run(run)

    def states(self, status: dict[str, Any]) -> dict[str, str]:
        return {image["image"].removeprefix("docker.io/library/"): image["state"]
                for image in status["images"]}

    def assert_whole_without_hub(self, images: dict[str, Parts]) -> None:
        self.hub.down()
        for name, parts in images.items():
            self.assertEqual(self.pull(name), parts, name)

    def background(self, digest: str) -> int:
        """The bytes received so far by a fill that no client waits for."""
        return max((fill["received_bytes"] for fill in self.layby.stats()["fills"]
                    if fill["digest"] == digest and fill["background"]), default=0)


def largest(parts: Parts) -> str:
    return max(parts.blobs, key=lambda digest: parts.blobs[digest])


class Lists(PrefetchCase):
    def test_the_images_of_a_saved_list_are_fetched(self) -> None:
        index = make_index(self.hub, "library/app", "1", [NATIVE, OTHER], [300_000, 1000])
        plain = make_image(self.hub, "library/tool", "1", [200_000])
        status = self.run_list(self.entry("app", "1"), self.entry("tool", "1"))

        self.assertEqual(status["result"], "done", status)
        self.assertEqual(self.states(status), {"app:1": "done", "tool:1": "done"})
        self.assert_fetched_once(index.parts(), plain)
        self.assertEqual(status["bytes_done"], index.parts().blob_bytes + plain.blob_bytes)
        self.assertEqual(status["pulls"], self.hub.pulls_counted)
        self.assert_whole_without_hub({"app:1": index.parts(), "tool:1": plain})

    def test_a_run_after_a_restart_costs_no_pull_for_cached_images(self) -> None:
        image = make_image(self.hub, "library/app", "1", [200_000])
        self.run_list(self.entry("app", "1"))
        self.hub.reset()
        self.layby.restart()

        status = self.layby.end_of_run()

        self.assertEqual(self.states(status), {"app:1": "current"})
        self.assertEqual((self.hub.pulls_counted, self.hub.requests("cdn")), (0, []))
        self.assert_whole_without_hub({"app:1": image})

    def test_another_platform_is_fetched_only_when_pulled(self) -> None:
        index = make_index(self.hub, "library/app", "1", [OTHER, NATIVE], [300_000])
        self.run_list(self.entry("app", "1", platforms=[OTHER]))
        self.assert_fetched_once(index.parts(OTHER))

        self.assertEqual(self.pull("app:1"), index.parts(NATIVE))

        self.assert_fetched_once(index.parts(OTHER), index.parts(NATIVE))

    def test_attestations_are_fetched_when_the_list_asks_for_them(self) -> None:
        index = make_index(self.hub, "library/app", "1", [NATIVE, OTHER], [1000], attestations=True)
        self.run_list(self.entry("app", "1"))
        self.assertNotIn(index.attestations[NATIVE], self.upstream_gets())

        self.run_list(self.entry("app", "1", attestations=True), run=2)

        self.assertIn(index.attestations[NATIVE], self.upstream_gets())
        self.assertNotIn(index.attestations[OTHER], self.upstream_gets())

    def test_patterns_and_ranges_select_from_the_tags_upstream(self) -> None:
        there = ["3.11", "3.12", "3.12.1", "3.13", "3.13-slim", "3.12-slim", "3.14-rc", "4.0", "latest"]
        images = {f"app:{tag}": make_image(self.hub, "library/app", tag, [5000]) for tag in there}
        status = self.run_list(self.entry("app", "*-slim", ">=3.12 <4"))

        wanted = ["app:3.12", "app:3.12-slim", "app:3.13", "app:3.13-slim"]
        self.assertEqual(sorted(self.states(status)), wanted)
        self.assertEqual(set(self.states(status).values()), {"done"})
        self.assert_fetched_once(*(images[name] for name in wanted))
        self.assert_whole_without_hub({name: images[name] for name in wanted})

    def test_a_new_tag_of_a_pattern_is_fetched_by_the_next_run(self) -> None:
        make_image(self.hub, "library/app", "3.12", [5000])
        self.run_list(self.entry("app", ">=3.12"))
        newer = make_image(self.hub, "library/app", "3.13", [5000])

        done = self.layby.ask("prefetch", "--json")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.states(json.loads(done.stdout)), {"app:3.12": "current", "app:3.13": "done"})
        self.assert_whole_without_hub({"app:3.13": newer})

    def test_an_image_missing_upstream_fails_and_the_others_are_fetched(self) -> None:
        image = make_image(self.hub, "library/app", "1", [5000])
        status = self.run_list(self.entry("app", "nope", "1"))

        self.assertEqual(status["result"], "failed")
        self.assertEqual(self.states(status), {"app:nope": "failed", "app:1": "done"})
        done = self.layby.ask("prefetch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("app:nope", done.stdout + done.stderr)
        self.assert_whole_without_hub({"app:1": image})


class Losses(PrefetchCase):
    """Parts of an image that can't be had don't hold the other parts back."""

    WINDOWS = "windows/amd64"

    def setUp(self) -> None:
        super().setUp()
        self.both = self.entry("app", "1", platforms=[self.WINDOWS, NATIVE])
        make_index(self.hub, "library/app", "1", [self.WINDOWS, NATIVE], [5000])
        self.run_list(self.both)
        self.linux = add_image(self.hub, "library/app", "", [b"new layer"], platform=NATIVE)

    def move(self, windows: Parts) -> None:
        self.root = add_index(self.hub, "library/app", "1",
                              {self.WINDOWS: windows.root, NATIVE: self.linux.root})

    def assert_linux_is_served(self) -> None:
        """A real client gets the new image of its platform while the hub is down."""
        self.hub.down()
        with CLIENTS["skopeo"](self.layby.url) as client:
            self.assertEqual(client.pull("app:1"), self.linux.root)

    def run_again(self) -> dict[str, Any]:
        return json.loads(self.layby.ask("prefetch", "--json").stdout)

    def test_a_foreign_layer_is_not_missing(self) -> None:
        foreign = bytes(100_000)
        self.move(add_image(self.hub, "library/app", "", [b"windows"], platform=self.WINDOWS,
                            foreign=foreign))

        status = self.run_again()

        self.assertEqual(self.states(status), {"app:1": "done"})
        self.assertEqual(self.hub.requests("blob", path=digest_of(foreign)), [])
        listed = self.layby.ask("ls").stdout
        self.assertIn("windows/amd64", listed)
        self.assertNotIn("% cached", listed)
        self.assertEqual(self.states(self.run_again()), {"app:1": "current"})
        self.assert_linux_is_served()

    def assert_windows_fails_alone(self) -> None:
        status = self.run_again()
        self.assertEqual((status["result"], self.states(status)), ("failed", {"app:1": "failed"}))
        self.assertRegex(status["images"][0]["error"], r"^windows/amd64: .*answered 404$")
        self.assert_logged("windows/amd64: ")
        self.assert_linux_is_served()

    def test_a_platform_whose_manifest_is_gone_fails_alone(self) -> None:
        windows = add_image(self.hub, "library/app", "", [b"windows"], platform=self.WINDOWS)
        self.move(windows)
        self.hub.fault("status", f"manifests/{windows.root}", status=404, times=-1)
        self.assert_windows_fails_alone()

    def test_a_platform_whose_layer_is_gone_fails_alone(self) -> None:
        windows = add_image(self.hub, "library/app", "", [b"windows"], platform=self.WINDOWS)
        self.move(windows)
        layer = list(windows.blobs)[1]
        self.hub.fault("status", f"blobs/{layer}", status=404, times=-1)
        self.assert_windows_fails_alone()


class Platforms(PrefetchCase):
    def test_docker_finds_the_older_platform_that_it_chooses(self) -> None:
        """dockerd chooses by containerd's platforms.Only."""
        images = {platform: add_image(self.hub, "library/app", "", [tar_of(platform)],
                                      platform=platform)
                  for platform in ("linux/arm/v5", "linux/arm/v7")}
        root = add_index(self.hub, "library/app", "1",
                         {platform: parts.root for platform, parts in images.items()})
        status = self.run_list(self.entry("app", "1", platforms=["linux/arm/v6"]))
        self.assertEqual(self.states(status), {"app:1": "done"})
        chosen = images["linux/arm/v5"]
        self.assert_fetched_once(Parts([root, chosen.root], chosen.blobs, root))
        plan = self.layby.ask("prefetch", "--plan").stdout
        self.assertRegex(plan, r"app:1 has no linux/arm/v6; its clients choose linux/arm/v5")
        self.hub.down()

        with CLIENTS["dockerd"](self.layby.url) as client:
            client.docker("pull", "--quiet", "--platform", "linux/arm/v6", "app:1")
            found = json.loads(client.docker("image", "inspect", "app:1"))[0]

        self.assertIn(found["Id"], chosen.blobs, "the configuration of the image for arm/v5")


class RealClients(PrefetchCase):
    real_images = True

    def test_clients_pull_prefetched_images_while_the_hub_is_down(self) -> None:
        self.run_list(self.entry("debian", "multi"), self.entry("busybox", "1"))
        self.hub.down()
        for name in ("dockerd", "skopeo", "podman"):
            with self.subTest(name), CLIENTS[name](self.layby.url) as client:
                for image in ("debian:multi", "busybox:1"):
                    repo, _, tag = image.partition(":")
                    parts = parts_of(self.hub, f"library/{repo}", tag)
                    wanted = parts.manifests[-1] if name == "skopeo" else parts.root
                    self.assertEqual(client.pull(image), wanted)


class Plans(PrefetchCase):
    def setUp(self) -> None:
        super().setUp()
        self.index = make_index(self.hub, "library/app", "1", [NATIVE, OTHER], [300_000, 1000])
        self.layby.save_list([self.entry("app", "1")], window=window_hours_away())
        wait_until(lambda: self.layby.prefetching()["state"] == "idle", "the list")

    def plan(self, *options: str) -> dict[str, Any]:
        done = self.layby.ask("prefetch", "--plan", "--json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_a_plan_counts_the_pulls_and_costs_none(self) -> None:
        plan = self.plan()

        self.assertEqual(self.hub.pulls_counted, 0)
        self.assertEqual(self.hub.requests("cdn"), [])
        self.assertEqual((plan["pulls"], plan["images"][0]["state"], plan["unknown_images"]),
                         (2, "new", 1))
        self.assertEqual(self.layby.prefetching()["run"], 0, "the window is not now")

    def test_a_plan_with_sizes_predicts_the_bytes_of_the_run(self) -> None:
        plan = self.plan("--sizes")
        self.assertEqual(self.hub.pulls_counted, 2)
        self.assertEqual((plan["pulls"], plan["bytes"]), (0, self.index.parts().blob_bytes))
        self.assertEqual(self.hub.requests("cdn"), [])
        self.assertTrue(plan["fits"])

        done = self.layby.ask("prefetch")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.hub.pulls_counted, 2)
        self.assertEqual(self.hub.bytes_sent("cdn"), plan["bytes"])

    def test_a_plan_predicts_the_pulls_of_the_run(self) -> None:
        make_image(self.hub, "library/tool", "1", [1000])
        self.layby.save_list([self.entry("app", "1"), self.entry("tool", "1")],
                             window=window_hours_away())
        wait_until(lambda: "added: tool:1" in self.layby.log(), "the longer list")
        plan = self.plan()

        self.layby.ask("prefetch")

        self.assertEqual(plan["pulls"], self.hub.pulls_counted)
        self.assertEqual(self.plan()["pulls"], 0)

    def test_a_plan_is_printed_as_a_table(self) -> None:
        done = self.layby.ask("prefetch", "--plan")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^\S*app:1 +new +2 ")
        self.assertIn("100 pulls", done.stdout)

    def test_a_list_that_does_not_fit_is_refused_before_fetching(self) -> None:
        self.layby.config["cache"] = {"max_bytes": "2MiB", "min_free_bytes": 0}
        self.layby.restart()
        wait_until(lambda: self.layby.prefetching()["state"] == "idle", "the list")
        make_image(self.hub, "library/app", "1", [3 * MIB])
        plan = json.loads(self.layby.ask("prefetch", "--plan", "--sizes", "--json").stdout)
        self.assertFalse(plan["fits"])
        done = self.layby.ask("prefetch")
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not fit", done.stdout + done.stderr)
        self.assertEqual(self.hub.requests("cdn"), [])


class Saving(PrefetchCase):
    FAULTY = '{\n  "images": [\n    {"image": "app", "tags": ["1"]},\n    {"imag": "tool"},\n' \
             '    {"image": "ghcr.io/acme/tool"}\n  ]\n}\n'

    def setUp(self) -> None:
        super().setUp()
        self.app = make_image(self.hub, "library/app", "1", [5000])
        self.tool = make_image(self.hub, "library/tool", "1", [5000])
        self.run_list(self.entry("app", "1"))

    def test_the_difference_is_logged_and_the_new_list_fetched(self) -> None:
        status = self.run_list(self.entry("tool", "1", pin=True), run=2)

        self.assertEqual(self.states(status), {"tool:1": "done"})
        self.assert_logged(f"prefetch list: added: tool:1 {NATIVE} pinned")
        self.assert_logged(f"prefetch list: removed: app:1 {NATIVE}")

    def test_sighup_runs_an_unchanged_list_again(self) -> None:
        assert self.layby.process
        self.layby.process.send_signal(signal.SIGHUP)
        status = self.layby.end_of_run(2)
        self.assertEqual(self.states(status), {"app:1": "current"})

    def test_a_deleted_list_counts_as_empty(self) -> None:
        self.layby.list_path.unlink()
        wait_until(lambda: "prefetch list: removed: app:1" in self.layby.log(), "an empty list")
        done = self.layby.ask("prefetch")
        self.assertEqual(done.returncode, 2)
        self.assertIn("the prefetch list has no images", done.stderr)

    def save_faults(self) -> None:
        self.layby.save_list_text(self.FAULTY)
        wait_until(lambda: self.layby.prefetching()["faults"], "faults of the list")

    def test_faults_are_reported_with_their_lines(self) -> None:
        self.save_faults()
        for command in (["prefetch"], ["prefetch", "--plan"], ["config", "check"]):
            with self.subTest(command):
                done = self.layby.ask(*command)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertIn(str(self.layby.list_path), done.stderr)
                self.assertRegex(done.stderr, r"line 4.*imag")
        self.assert_logged("the last good list stays in force")
        self.assertRegex(self.layby.log(), r"line 4.*imag")

    def test_an_image_that_no_upstream_serves_is_a_fault(self) -> None:
        self.layby.save_list([self.entry("app", "1"), self.entry("ghcr.io/acme/tool", "1")])
        faults = wait_until(lambda: self.layby.prefetching()["faults"], "faults of the list")
        self.assertEqual([fault["path"] for fault in faults], ["images[1].image"])
        self.assertGreater(faults[0]["line"], 0)
        self.assertEqual(self.layby.ask("config", "check").returncode, 2)

    def test_the_old_list_stays_in_force_after_a_faulty_save(self) -> None:
        self.save_faults()
        moved = make_image(self.hub, "library/app", "1", [5000], seed=2)
        self.assertEqual(self.pull("app:1"), self.app, "the new image is not complete")

        self.layby.end_of_run(2)

        self.assertEqual(self.pull("app:1"), moved)


class Stopping(PrefetchCase):
    def setUp(self) -> None:
        super().setUp()
        self.image = make_image(self.hub, "library/app", "1", [6 * MIB, 1000])
        self.digest = largest(self.image)
        self.hub.fault("slow", self.digest, port="cdn", rate=2 * MIB, times=1)
        self.layby.save_list([self.entry("app", "1")])
        wait_until(lambda: self.background(self.digest) > MIB, "a MiB of the blob")

    def follow(self) -> subprocess.Popen[str]:
        """Starts `layby prefetch`, which follows the run in progress."""
        process = subprocess.Popen(
            [str(layby_binary()), "prefetch", "--config", str(self.layby.config_path)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)  # type: ignore[union-attr]
        self.addCleanup(process.stderr.close)  # type: ignore[union-attr]
        self.addCleanup(process.kill)
        waits = Path(f"/proc/{process.pid}/wchan")
        wait_until(lambda: "sigtimedwait" in waits.read_text(), "a look at the run")
        return process

    def assert_goes_on_where_it_was(self) -> None:
        self.assertLess(self.hub.bytes_sent("cdn"), self.image.blob_bytes, "it was not stopped")
        done = self.layby.ask("prefetch")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(self.hub.requests("cdn", path=self.digest)[-1]["range"], "resumed by Range")
        self.assertLess(self.hub.bytes_sent("cdn"), self.image.blob_bytes * 1.1)
        self.assert_whole_without_hub({"app:1": self.image})

    def test_ctrl_c_stops_the_run_and_the_next_run_resumes_it(self) -> None:
        process = self.follow()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 1)
        self.assertIn("the next run continues from there", errors)
        self.assertEqual(self.layby.prefetching()["result"], "stopped")
        self.assert_goes_on_where_it_was()

    def test_stop_ends_the_run_and_the_command_that_follows_it(self) -> None:
        process = self.follow()
        done = self.layby.ask("prefetch", "--stop")
        self.assertEqual(done.returncode, 0, done.stderr)
        process.communicate(timeout=10)
        self.assertEqual(process.returncode, 1)
        self.assertEqual(self.states(self.layby.prefetching()), {"app:1": "stopped"})
        self.assert_goes_on_where_it_was()

    def test_a_killed_follower_does_not_stop_the_run(self) -> None:
        process = self.follow()
        process.kill()
        process.communicate(timeout=10)
        self.assertEqual(self.layby.end_of_run()["result"], "done")
        self.assertEqual(self.hub.bytes_sent("cdn"), self.image.blob_bytes)

    def test_a_run_is_completed_after_a_power_cut(self) -> None:
        self.layby.kill()
        self.layby.run()
        self.assertEqual(self.layby.end_of_run()["result"], "done")
        self.assert_whole_without_hub({"app:1": self.image})

    def test_a_client_shares_the_fill_of_a_prefetch(self) -> None:
        self.assertEqual(self.pull("app:1"), self.image)
        self.layby.end_of_run()
        self.assert_fetched_once(self.image)


class MovedTags(PrefetchCase):
    SLOW = MIB

    def setUp(self) -> None:
        super().setUp()
        self.old = make_index(self.hub, "library/app", "1", [NATIVE], [MIB, 1000], base="debian")
        self.run_list(self.entry("app", "1"))
        self.new = make_index(self.hub, "library/app", "1", [NATIVE], [MIB, 3 * MIB], seed=2,
                              base="debian")
        self.new_layer = self.new.layers[NATIVE][1]

    def to_fetch(self) -> int:
        """The bytes of the blobs that only the new image has."""
        shared = set(self.old.parts().blobs)
        return sum(size for digest, size in self.new.parts().blobs.items() if digest not in shared)

    def test_the_old_image_is_served_until_the_new_image_is_complete(self) -> None:
        self.hub.fault("slow", self.new_layer, port="cdn", rate=self.SLOW)
        done = self.layby.ask("prefetch", "--detach")
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.background(self.new_layer) > 0, "the new layer on its way")

        got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.assertEqual(got.headers["docker-content-digest"], self.old.root)
        self.assertTrue(got.headers.get("warning", "").startswith("110 "), got.headers)
        self.assertEqual(self.pull("app:1"), self.old.parts())
        self.assertTrue(self.background(self.new_layer), "the new layer came too soon to test this")

        self.assertEqual(self.layby.end_of_run(2)["result"], "done")
        got = self.layby.get("/v2/library/app/manifests/1", ACCEPT)
        self.assertEqual(got.headers["docker-content-digest"], self.new.root)
        self.assertNotIn("warning", got.headers)
        self.assert_whole_without_hub({"app:1": self.new.parts()})

    def test_a_pull_that_notices_the_move_starts_the_run(self) -> None:
        self.assertEqual(self.pull("app:1"), self.old.parts())
        self.assertEqual(self.layby.end_of_run(2)["result"], "done")
        self.assertEqual(self.pull("app:1"), self.new.parts())

    def test_a_move_is_reported_with_its_digests_and_bytes(self) -> None:
        self.layby.ask("prefetch")
        moves = self.layby.stats()["moves"]
        self.assertEqual(
            [(move["from"], move["to"], move["bytes"]) for move in moves],
            [(self.old.root, self.new.root, self.to_fetch())])
        self.assertTrue(moves[0]["image"].endswith("app:1"))
        self.assert_logged(f"moved from {self.old.root} to {self.new.root}")
        self.assertEqual(self.hub.bytes_sent("cdn"), self.old.parts().blob_bytes + self.to_fetch())

    def test_a_plan_estimates_a_moved_image_by_its_old_size(self) -> None:
        plan = json.loads(self.layby.ask("prefetch", "--plan", "--json").stdout)
        self.assertEqual([(image["state"], image["bytes"], image["estimated"])
                          for image in plan["images"]], [("moved", self.old.parts().blob_bytes, True)])

    def test_without_hold_a_pull_gets_the_new_image_at_once(self) -> None:
        self.run_list(self.entry("app", "1"), run=2, hold="0s")
        newer = make_index(self.hub, "library/app", "1", [NATIVE], [MIB], seed=3)
        self.assertEqual(self.pull("app:1"), newer.parts())


class Eviction(PrefetchCase):
    config = {**PrefetchCase.config, "cache": {"max_bytes": "16MiB", "min_free_bytes": 0}}

    def test_a_pinned_image_of_the_list_survives_eviction(self) -> None:
        kept = make_image(self.hub, "library/kept", "1", [3 * MIB])
        loose = make_image(self.hub, "library/loose", "1", [3 * MIB])
        self.run_list(self.entry("kept", "1", pin=True), self.entry("loose", "1"))
        for n in range(8):
            make_image(self.hub, "library/app", str(n), [3 * MIB])
            for _ in range(2):
                self.pull(f"app:{n}")
            self.layby.settle()

        images = {image["image"]: image for image in self.layby.control("/images").json()["images"]}
        listed = next(image for name, image in images.items() if name.endswith("kept:1"))
        self.assertEqual((listed["listed"], listed["missing_bytes"]), (True, 0))
        self.assertRegex(self.layby.ask("ls").stdout, r"(?m)^\S*kept:1 .* listed$")
        self.hub.down()
        self.assertEqual(self.pull("kept:1"), kept)
        gone = self.layby.get(f"/v2/library/loose/blobs/{largest(loose)}")
        self.assertNotEqual(gone.status, 200, "nothing was evicted, so this shows nothing")

    def test_an_image_that_leaves_the_list_loses_its_pin(self) -> None:
        make_image(self.hub, "library/kept", "1", [3 * MIB])
        self.run_list(self.entry("kept", "1", pin=True))
        self.layby.save_list([])
        wait_until(lambda: "listed" not in self.layby.ask("ls").stdout, "an end of the pin")


class BehindClients(PrefetchCase):
    RATE = 4 * MIB
    config = {**PrefetchCase.config, "upstream": {"max_rate": RATE, "stall_timeout": "1s"}}

    def test_prefetch_pauses_while_a_client_downloads(self) -> None:
        listed = make_image(self.hub, "library/app", "1", [16 * MIB])
        wanted = make_image(self.hub, "library/other", "1", [6 * MIB])
        self.layby.save_list([self.entry("app", "1")])
        digest = largest(listed)
        wait_until(lambda: self.background(digest) > MIB, "a MiB of the prefetch")
        pulls = Pulls()
        began = time.monotonic()
        pulls.start(self.pull, "other:1")
        wait_until(lambda: any(not fill["background"] and fill["received_bytes"]
                               for fill in self.layby.stats()["fills"]), "a client's bytes")
        before = self.background(digest)

        self.assertEqual(pulls.join(), [wanted])
        seconds = time.monotonic() - began
        grown = self.background(digest) - before

        self.assertGreater(before, 0)
        self.assertLess(before, listed.blob_bytes - 4 * MIB, "too far on to show anything")
        self.assertLess(grown, MIB)
        self.assertLess(seconds, 6 * MIB / self.RATE * 1.6, "the client had the link for itself")
        self.assertEqual(self.layby.end_of_run()["result"], "done")
        self.assert_fetched_once(listed, wanted)
        self.assert_whole_without_hub({"app:1": listed, "other:1": wanted})


class AllDownloadsTaken(PrefetchCase):
    config = {**PrefetchCase.config, "upstream": {"max_rate": 4 * MIB}}
    upstream = {"max_downloads": 2}

    def test_a_client_gets_a_slot_although_prefetch_has_taken_all(self) -> None:
        listed = make_image(self.hub, "library/app", "1", [12 * MIB, 11 * MIB])
        wanted = make_image(self.hub, "library/other", "1", [MIB])
        self.layby.save_list([self.entry("app", "1")])
        wait_until(lambda: len([fill for fill in self.layby.stats()["fills"]
                                if fill["received_bytes"] > MIB]) == 2, "all downloads taken")
        self.assertEqual(self.pull("other:1", timeout=4), wanted)
        self.assertEqual(self.layby.end_of_run()["result"], "done")
        self.assert_whole_without_hub({"app:1": listed})


class OwnRate(PrefetchCase):
    def test_the_rate_of_the_list_limits_prefetch_but_no_client(self) -> None:
        listed = make_image(self.hub, "library/app", "1", [3 * MIB])
        wanted = make_image(self.hub, "library/other", "1", [8 * MIB])
        began = time.monotonic()
        self.layby.save_list([self.entry("app", "1")], max_rate="1MiB")
        wait_until(lambda: self.background(largest(listed)) > 0, "a byte of the prefetch")
        pulling = time.monotonic()
        self.assertEqual(self.pull("other:1"), wanted)
        self.assertLess(time.monotonic() - pulling, 3)
        self.layby.end_of_run()
        self.assertGreater(time.monotonic() - began, 2)


class PullLimit(PrefetchCase):
    hub_options = {"pull_limit": 6}
    config = {**PrefetchCase.config, "quota": {"reserve": "50%"}}

    def test_prefetch_stops_at_the_reserve_and_clients_get_the_rest(self) -> None:
        for n in range(6):
            make_image(self.hub, "library/app", str(n), [1000])
        people = [make_image(self.hub, "library/other", str(n), [1000]) for n in range(4)]
        self.layby.save_list([self.entry("app", *(str(n) for n in range(6)))])
        status = wait_until(lambda: (said := self.layby.prefetching())["state"] == "waiting" and said,
                            "a prefetch that waits")

        self.assertIn("pull limit of docker.io", status["reason"])
        self.assertIn("for people", status["reason"])
        # The last of these pulls may be under way while the others wait.
        wait_until(lambda: self.hub.pulls_counted == 3, "the third pull")
        self.assertIn("for people", self.layby.ask("status").stdout)
        for n in range(3):
            self.assertEqual(self.pull(f"other:{n}"), people[n])
        self.assertEqual(self.hub.pulls_counted, 6)
        self.assertIn(self.layby.get("/v2/library/other/manifests/3", ACCEPT).status, (404, 503))
        self.assertEqual(self.layby.prefetching()["pulls"], 3)

    def test_a_plan_says_that_the_limit_does_not_suffice(self) -> None:
        for n in range(6):
            make_image(self.hub, "library/app", str(n), [1000])
        self.layby.save_list([self.entry("app", *(str(n) for n in range(6)))],
                             window=window_hours_away())
        wait_until(lambda: self.layby.prefetching()["state"] == "idle", "the list")
        plan = json.loads(self.layby.ask("prefetch", "--plan", "--json").stdout)
        self.assertEqual([(quota["limit"], quota["remaining"], quota["reserve"], quota["suffices"])
                          for quota in plan["quotas"]], [(6, 6, 3, False)])


class RenewedPullLimit(PrefetchCase):
    hub_options = {"pull_limit": 6, "pull_window": 6}
    config = {**PrefetchCase.config, "quota": {"reserve": "50%"}}

    def test_prefetch_continues_when_the_pull_limit_has_room_again(self) -> None:
        images = {f"app:{n}": make_image(self.hub, "library/app", str(n), [1000]) for n in range(5)}
        self.layby.save_list([self.entry("app", *(str(n) for n in range(5)))])
        status = self.layby.end_of_run(seconds=60)
        self.assertEqual(status["result"], "done", status)
        self.assert_whole_without_hub(images)


class Links(PrefetchCase):
    upstream = {"requests_per_minute": 0}

    def test_a_run_waits_while_the_link_is_down(self) -> None:
        image = make_image(self.hub, "library/app", "1", [6 * MIB])
        self.hub.fault("slow", largest(image), port="cdn", rate=2 * MIB)
        self.layby.save_list([self.entry("app", "1")])
        wait_until(lambda: self.background(largest(image)) > MIB, "a MiB of the blob")
        self.hub.down()
        wait_until(lambda: self.layby.stats()["upstreams"][0]["link"] == "down", "a link that is down")
        self.hub.clear_faults()
        self.hub.up()
        self.assertEqual(self.layby.end_of_run(seconds=60)["result"], "done")
        self.assert_whole_without_hub({"app:1": image})

    def test_429_does_not_end_a_run(self) -> None:
        image = make_image(self.hub, "library/app", "1", [1000])
        self.hub.fault("throttle", "/manifests/", retry_after=3, times=1)
        status = self.run_list(self.entry("app", "1"))
        self.assertEqual(status["result"], "done", status)
        self.assert_whole_without_hub({"app:1": image})


if __name__ == "__main__":
    unittest.main(verbosity=2)
