# SPDX-License-Identifier: Apache-2.0
"""A mount outlives the processes that serve it."""

import hashlib
import os
import signal
import subprocess
import threading
import unittest

import harness
import oci_layout
import tar_layer


class TheServerDies(harness.EndToEnd):
    FILES = 200

    def setUp(self):
        super().setUp()
        layout = oci_layout.Layout(self.scratch / "layout")
        entries = [tar_layer.dir("d")]
        self.sums = {}
        for n in range(self.FILES):
            content = (f"{n} " * (1000 + 200 * n)).encode()
            entries.append(tar_layer.file(f"d/{n}", content))
            self.sums[f"d/{n}"] = hashlib.sha256(content).hexdigest()
        harness.add_image(layout, "latest", tar_layer.tar(*entries))
        self.image = f"oci:{self.scratch}/layout:latest"

    def mounted(self, *options):
        folder = self.mount(self.image, *options)
        [self.keeper] = harness.processes_of("imgmount")
        return folder

    def read_all(self, folder):
        for name, sum_of_it in self.sums.items():
            with open(folder / name, "rb") as file:
                # Out of the mount, not out of the kernel's memory.
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                content = file.read()
            self.assertEqual(hashlib.sha256(content).hexdigest(), sum_of_it, name)

    def kill_server(self, number=signal.SIGKILL):
        """Returns once it is gone."""
        [server] = harness.children_of(self.keeper)
        harness.await_end(
            server, lambda process: signal.pidfd_send_signal(process, number))
        return server

    def test_the_next_one_answers(self):
        for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS):
            folder = self.mounted()
            self.kill_server(number)
            self.read_all(folder)
            self.unmount(folder)
            harness.await_end(self.keeper)

    def test_readers_notice_nothing(self):
        folder = self.mounted("--log", str(self.scratch / "log"))
        failures = []
        ended = threading.Event()

        def read():
            try:
                for _ in range(3):
                    self.read_all(folder)
                    found = subprocess.run(["find", folder, "-ls"], check=True,
                                           capture_output=True).stdout
                    self.assertEqual(len(found.splitlines()), self.FILES + 2)
            except BaseException as failure:
                failures.append(failure)
            ended.set()

        reader = threading.Thread(target=read)
        reader.start()
        killed = 0
        while not ended.is_set() and killed < 9:
            for server in harness.children_of(self.keeper):
                os.kill(server, signal.SIGKILL)
                killed += 1
            # Not to synchronise: the kill is to come at an odd moment.
            ended.wait(0.05)
        reader.join()
        self.assertEqual(failures, [])
        self.assertGreater(killed, 0)
        self.read_all(folder)

    def test_too_many_deaths(self):
        folder = self.mounted("--log", str(self.scratch / "log"))
        for _ in range(10):
            while not harness.children_of(self.keeper):
                pass
            self.kill_server()
        with self.assertRaises(OSError):
            (folder / "d/1").read_bytes()
        self.assertIn("answers EIO", (self.scratch / "log").read_text())
        self.out_of("imgmount", "-u", folder)
        harness.await_end(self.keeper)

    def test_it_ends_with_its_keeper(self):
        folder = self.mounted()
        harness.kill(self.keeper)
        self.assertFalse(os.path.ismount(folder))
        self.mount(self.image)
        self.read_all(folder)

    def test_a_signal_to_the_keeper_unmounts(self):
        folder = self.mounted()
        [server] = harness.children_of(self.keeper)
        harness.await_end(
            self.keeper,
            lambda process: signal.pidfd_send_signal(process, signal.SIGTERM))
        harness.await_end(server)
        self.assertFalse(os.path.ismount(folder))


if __name__ == "__main__":
    harness.main()
