# SPDX-License-Identifier: Apache-2.0
"""What is mounted, by whom, and ending it: imgmount -l and -u."""

import json
import os
import signal
import subprocess

import harness
from harness import Layout, MOUNT, USAGE, add_image
from tar_layer import file, tar


class Mounts(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(file("f", b"1")), tar(file("g", b"2")))
        self.image = f"oci:{layout.folder}:latest"

    def listed(self, *options):
        found = json.loads(self.out_of("imgmount", "-l", "--json", *options))
        return {os.path.basename(mount["mounted_on"]): mount for mount in found}

    def test_a_list_tells_what_where_since_when_by_whom_and_whether_it_lives(self):
        self.assertEqual(self.listed(), {})
        self.mount(self.image, at="whole")
        self.mount(self.image + "@0", at="state")
        self.mount(self.image, "--layer", "1", at="layer")
        self.mount(self.image, "--all", at="all")
        listed = self.listed()
        self.assertEqual({name: mount["shows"] for name, mount in listed.items()},
                         {"whole": "image", "state": "as of layer 0",
                          "layer": "layer 1", "all": "all"})
        sources = subprocess.run(
            ["findmnt", "-rn", "-t", "fuse.imgmount", "-o", "SOURCE"], check=True,
            stdout=subprocess.PIPE, text=True).stdout.replace("\\x20", " ").splitlines()
        self.assertEqual([mount["source"] for mount in listed.values()], sources)
        self.assertEqual(sources, [self.image, self.image + "@0",
                                   self.image + " --layer 1", self.image + " --all"])
        keepers = {mount["pid"] for mount in listed.values()}
        self.assertEqual(keepers, set(harness.processes_of("imgmount")))
        for mount in listed.values():
            self.assertEqual(mount["state"], "alive")
            self.assertIn(mount["server_pid"], harness.children_of(mount["pid"]))
        table = self.out_of("imgmount", "-l").splitlines()
        self.assertEqual(table[0].split(),
                         ["IMAGE", "SINCE", "PROCESS", "STATE", "MOUNTED", "ON"])
        self.assertRegex(table[3], f"^{self.image} --layer 1 +.* ago +"
                                   f"{listed['layer']['pid']} +alive +/.*/layer$")
        self.assertEqual(self.out_of("imgmount", "-l", "-q").splitlines(),
                         [mount["mounted_on"] for mount in listed.values()])

    def test_of_another_cache_is_listed_what_the_kernel_knows(self):
        self.mount(self.image)
        [mount] = self.listed("--cache-dir", self.scratch / "other").values()
        self.assertEqual(set(mount), {"source", "mounted_on", "state"})
        self.assertFalse((self.scratch / "other").exists())

    def test_a_stopped_server_does_not_answer_and_a_dead_mount_is_dead(self):
        folder = self.mount(self.image)
        [mount] = self.listed().values()
        os.kill(mount["server_pid"], signal.SIGSTOP)
        self.assertEqual(self.listed()["mnt"]["state"], "no answer")
        os.kill(mount["server_pid"], signal.SIGCONT)
        os.kill(mount["pid"], signal.SIGSTOP)
        device = os.stat(folder).st_dev
        subprocess.run(["mount", "-t", "fusectl", "none", "/sys/fs/fuse/connections"],
                       stderr=subprocess.DEVNULL)
        with open(f"/sys/fs/fuse/connections/{os.minor(device)}/abort", "w") as abort:
            abort.write("1")
        self.assertEqual(self.listed()["mnt"]["state"], "dead")
        os.kill(mount["pid"], signal.SIGCONT)
        harness.await_end(mount["pid"])

    def test_all_mounts_are_ended_at_once(self):
        for name in "a", "b", "c":
            self.mount(self.image, at=name)
        self.out_of("imgmount", "-u", "--all")
        self.assertEqual(self.listed(), {})
        self.out_of("imgmount", "-u", "--all")

    def test_what_is_in_use_is_ended_lazily(self):
        folder = self.mount(self.image)
        with open(folder / "f", "rb") as opened:
            self.assert_fails(self.run_tool("imgmount", "-u", folder), MOUNT,
                              "in use", "imgmount -u --lazy")
            self.assertTrue(os.path.ismount(folder))
            self.out_of("imgmount", "-u", "-z", folder)
            self.assertFalse(os.path.ismount(folder))
            self.assertEqual(opened.read(), b"1")

    def test_several_folders_and_options_in_any_order(self):
        for options in ("-uz", "a", "b"), ("a", "-u", "b"), ("-u", "--lazy", "a", "b"):
            for name in "a", "b":
                self.mount(self.image, at=name)
            self.out_of("imgmount", *[o if o[0] == "-" else self.scratch / o
                                      for o in options])
            self.assertEqual(self.listed(), {})

    def test_nonsense_is_refused(self):
        for arguments in (["-u"], ["-u", "--all", "/mnt"], ["-z", "/mnt"], ["--json"],
                          ["-l", "nginx"], ["nginx", "/mnt", "/more"]):
            self.assert_fails(self.run_tool("imgmount", *arguments), USAGE)


if __name__ == "__main__":
    harness.main()
