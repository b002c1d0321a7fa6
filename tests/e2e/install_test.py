# SPDX-License-Identifier: Apache-2.0
"""What an installation has besides the tools: manual pages, completion, and
mount(8)'s helper."""

import json
import os
import pathlib
import re
import subprocess

import harness
from harness import BIN, Layout, add_image
from tar_layer import file, tar

TOOLS = ("imgcache", "imgcat", "imgdiff", "imgexport", "imghistory", "imginspect",
         "imgmount", "imgpull")
BUILD = BIN.parent


class Installed(harness.EndToEnd):
    def setUp(self):
        super().setUp()
        self.prefix = self.scratch / "usr"
        subprocess.run(["cmake", "--install", str(BUILD), "--prefix", str(self.prefix)],
                       check=True, stdout=subprocess.DEVNULL)


class Manuals(Installed):
    OPTION = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")

    def options_in_help(self, tool, *command):
        out = self.out_of(tool, *command, "--help")
        return {name for line in out.splitlines() if line.startswith("  -")
                for name in self.OPTION.findall(re.split(r"\s{2,}", line.strip())[0])}

    def commands(self, tool):
        _, _, rest = self.out_of(tool, "--help").partition("\nCommands:\n")
        return [line.split()[0] for line in rest.split("\n\n")[0].splitlines() if line.strip()]

    def test_every_option_is_in_the_manual_and_the_reverse(self):
        for tool in TOOLS:
            expected = self.options_in_help(tool)
            for command in self.commands(tool):
                expected |= self.options_in_help(tool, command)
            page = (self.prefix / f"share/man/man1/{tool}.1").read_text()
            tagged = re.findall(r"^\.TP\n(.*)$", page, re.M)
            found = {name for line in tagged for name in self.OPTION.findall(
                re.sub(r"\\f[BIR]", " ", line).replace("\\-", "-"))}
            self.assertGreater(len(expected), 3, tool)
            self.assertEqual(found, expected, tool)

    def test_help_fits_a_terminal_and_has_no_words_of_the_parser(self):
        for tool in TOOLS:
            for command in [[], *([c] for c in self.commands(tool))]:
                text = self.out_of(tool, *command, "--help")
                for line in text.splitlines():
                    self.assertLessEqual(len(line), 80, line)
                self.assertNotRegex(
                    text, r"INT\b|TEXT|REQUIRED|Excludes|:\{|\{false|Positionals|OPERAND")

    def test_they_are_well_formed(self):
        pages = list((self.prefix / "share/man").glob("man*/*"))
        self.assertEqual(len(pages), len(TOOLS) + 2)  # and mount(8)'s
        for page in pages:
            done = subprocess.run(
                ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)], cwd=page.parents[1],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), page)

    def test_they_read_as_manuals(self):
        text = subprocess.run(
            ["man", "-l", "-Tascii", str(self.prefix / "share/man/man1/imgcache.1")],
            check=True, env={**self.environment, "MANPAGER": "cat", "MAN_KEEP_FORMATTING": "",
                             "GROFF_NO_SGR": "1", "MANWIDTH": "100"},
            stdout=subprocess.PIPE, text=True).stdout
        text = re.sub(".\b", "", text)
        for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS",
                        "EXAMPLES", "ENVIRONMENT", "EXIT STATUS", "SEE ALSO"):
            self.assertIn(f"\n{heading}\n", text)
        self.assertIn("imgcache prune --older-than 30d", text)


class Completion(Installed):
    """What the shells offer when somebody presses Tab."""

    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        add_image(layout, "latest", tar(file("f", b"1")))
        archive = self.scratch / "archive.tar"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout.folder}:latest",
                        f"oci-archive:{archive}:latest"], check=True)
        for name in ("nginx:1.25", "localhost:5000/app:2"):
            self.out_of("imgcache", "import", "-q", "--name", name, archive)
        self.environment["PATH"] = f"{self.prefix}/bin:{os.environ['PATH']}"


class Bash(Completion):
    """As it calls a completion."""

    def complete(self, line):
        script = self.prefix / f"share/bash-completion/completions/{line.split()[0]}"
        done = subprocess.run(
            ["bash", "-c", 'source "$0"; COMP_LINE=$1 COMP_POINT=${#1}; '
             'COMP_WORDBREAKS=$\' \t\n"><=;|&(:\'; _imgmount_complete 2>/dev/null; '
             'printf "%s\\n" "${COMPREPLY[@]}"', str(script), line],
            env=self.environment, cwd=self.scratch, stdout=subprocess.PIPE, text=True, check=True)
        return [word for word in done.stdout.splitlines() if word]

    def test_offers_cached_images(self):
        self.assertEqual(self.complete("imgmount ngi"), ["nginx:1.25"])
        self.assertEqual(self.complete("imghistory nginx:1"), ["1.25"])
        self.assertEqual(self.complete("imginspect nginx:1.25 localhost:5000/a"),
                         ["5000/app:2"])
        self.assertEqual(self.complete("imgcache rm "),
                         ["nginx:1.25", "localhost:5000/app:2"])

    def test_offers_mount_points_and_folders(self):
        folder = self.mount("nginx:1.25")
        self.assertIn(str(folder), self.complete("imgmount -u "))
        self.assertEqual(self.complete(f"imgmount nginx:1.25 {self.scratch}/m"), [str(folder)])

    def test_offers_options_commands_and_choices(self):
        self.assertEqual(self.complete("imghistory --no-t"), ["--no-trunc"])
        self.assertEqual(self.complete("imgcache pr"), ["prune"])
        self.assertEqual(self.complete("imgcache prune --older"), ["--older-than"])
        self.assertEqual(self.complete("imginspect --raw "), ["manifest", "config", "index"])
        self.assertEqual(self.complete("imginspect --id=m"), ["manifest"])
        self.assertEqual(self.complete("imgmount -o noexec,allow_"),
                         ["noexec,allow_other", "noexec,allow_root"])
        self.assertEqual(self.complete("imgdiff --ignore mtime,o"), ["mtime,owner"])
        self.assertIn("linux/arm64", self.complete("imgpull --platform linux/a"))

    def test_offers_states_and_what_stands_behind_transports(self):
        self.assertEqual(self.complete("imgdiff nginx:1.25@"), ["1.25@0"])
        self.assertEqual(self.complete("imgpull oci-"), ["oci-archive:"])
        self.assertEqual(self.complete("imgpull oci:lay"), ["layout"])
        self.assertEqual(self.complete("imgcat oci-archive:arch"), ["archive.tar"])


class Fish(Completion):
    """By its `complete -C`, which prints what Tab shows."""

    def complete(self, line):
        done = subprocess.run(
            ["fish", "--no-config", "-c",
             f"set -p fish_complete_path {self.prefix}/share/fish/vendor_completions.d\n"
             'complete -C $argv[1]', line],
            env=self.environment, cwd=self.scratch, stdout=subprocess.PIPE, text=True, check=True)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    def test_offers_images_mount_points_and_folders(self):
        folder = self.mount("nginx:1.25")
        self.assertEqual(set(self.complete("imgmount ")), {"nginx:1.25", "localhost:5000/app:2"})
        self.assertEqual(self.complete("imghistory ngi"), ["nginx:1.25"])
        self.assertEqual(self.complete("imgmount -u "), [str(folder)])
        self.assertIn("layout/", self.complete("imgmount nginx:1.25 "))

    def test_offers_options_commands_and_choices(self):
        self.assertEqual(self.complete("imghistory --no-t"), ["--no-trunc"])
        self.assertEqual(self.complete("imgcache pr"), ["prune"])
        self.assertEqual(self.complete("imginspect --raw "), ["config", "index", "manifest"])
        self.assertEqual(self.complete("imgdiff nginx:1.25@"), ["nginx:1.25@0"])
        self.assertEqual(self.complete("imgpull oci:lay"), ["oci:layout/"])
        self.assertIn("--provenance", self.complete("imgmount --"))


class Zsh(Completion):
    """On a terminal, where Tab is pressed."""

    def check(self, line, *expected):
        """Tab brings all of that, into the line or below it."""
        functions = self.prefix / "share/zsh/site-functions"
        terminal = harness.Terminal(
            self, ["zsh", "-f", "-i"], {**self.environment, "TERM": "xterm", "PS1": "> "},
            rows=100, columns=200, cwd=self.scratch)
        terminal.press(f"fpath+=({functions}); autoload -Uz compinit; compinit -u -D; "
                       "setopt no_beep; print -r rea''dy\n")
        terminal.read_until("ready")
        terminal.read_until("\x1b[?2004h")  # it reads the next line
        terminal.press(line + "\t")
        for text in expected:
            terminal.read_until(text)

    def test_offers_images_mount_points_and_folders(self):
        folder = self.mount("nginx:1.25")
        self.check("imgmount ", "nginx:1.25", "localhost:5000/app:2")
        self.check("imghistory ngi", "nginx:1.25")
        self.check("imgmount -u ", str(folder))
        self.check("imgmount nginx:1.25 lay", "layout")

    def test_offers_options_commands_and_choices(self):
        self.check("imghistory --no-t", "--no-trunc")
        self.check("imgcache pr", "prune")
        self.check("imginspect --raw ", "config", "manifest", "index")
        self.check("imgdiff nginx:1.25@", "nginx:1.25@0")
        self.check("imgpull oci:lay", "oci:layout")
        self.check("imgmount --", "--provenance", "Tell in xattrs")


class MountHelper(Installed):
    """The tests' own mount namespace sees the helper in /sbin."""

    def setUp(self):
        super().setUp()
        self.layout = Layout(self.scratch / "layout")
        add_image(self.layout, "latest", tar(file("f", b"in the image")))
        self.image = f"oci:{self.layout.folder}:latest"
        links = self.scratch / "links"
        links.mkdir()
        for name in ("mount.imgmount", "mount.fuse.imgmount"):
            (links / name).symlink_to(self.prefix / "sbin" / name)
        subprocess.run(["mount", "-t", "overlay", "-o", f"lowerdir={links}:/usr/sbin",
                        "overlay", "/usr/sbin"], check=True)
        self.addCleanup(subprocess.run, ["umount", "/usr/sbin"], check=True)

    def run_mount(self, *args):
        return subprocess.run(["mount", *map(str, args)], env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def check_mount(self, *args):
        folder = self.mount_point()
        done = self.run_mount(*args, folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.unmount, folder)
        self.assertEqual((folder / "f").read_bytes(), b"in the image")
        return folder

    def options_of(self, folder):
        return subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE,OPTIONS", str(folder)],
                              check=True, stdout=subprocess.PIPE, text=True).stdout

    def test_both_types_mount_and_umount_ends_it(self):
        for kind in ("fuse.imgmount", "imgmount"):
            folder = self.check_mount("-t", kind, self.image)
            self.assertIn("fuse.imgmount", self.options_of(folder))
            subprocess.run(["umount", str(folder)], check=True)
            self.assertFalse(os.path.ismount(folder))

    def test_options_of_mount_fstab_systemd_and_ours(self):
        cache = self.scratch / "another cache"
        folder = self.check_mount(
            "-t", "fuse.imgmount", "-o",
            "defaults,noauto,_netdev,nofail,noexec,x-systemd.automount,"
            f"x-systemd.idle-timeout=60,uid=7,platform=linux/amd64,cache-dir={cache}",
            self.image)
        self.assertEqual(os.stat(folder / "f").st_uid, 7)
        self.assertIn("noexec", self.options_of(folder))
        self.assertTrue((cache / "index.json").exists())

    def test_commas_in_options_and_times_of_a_file_system_that_is_not_written(self):
        cache = self.scratch / "a,cache"
        folder = self.check_mount(
            "-t", "fuse.imgmount", "-o", "strictatime,lazytime,silent,"
            f"cache-dir={self.scratch}/a\\,cache,fsname=a\\,name", self.image)
        self.assertTrue((cache / "index.json").exists())
        self.assertIn("a,name", self.options_of(folder))

    def test_what_is_shown_is_chosen_by_options(self):
        folder = self.check_mount("-t", "fuse.imgmount", "-o", "provenance,noexec", self.image)
        self.assertEqual(os.getxattr(folder / "f", "user.imgmount.layer"), b"0")
        self.unmount(folder)
        for options, inside in ("all", "rootfs"), ("layer=0", "."), (
                "platform=all", "linux-amd64"), ("all,platform=all", "linux-amd64/asof/00"):
            done = self.run_mount("-t", "imgmount", "-o", options, self.image, folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((folder / inside / "f").read_bytes(), b"in the image", options)
            self.unmount(folder)

    def test_options_of_a_line_of_fstab(self):
        folder = self.mount_point()
        fstab = self.scratch / "fstab"
        fstab.write_text(f"{self.image} {folder} fuse.imgmount noauto,provenance,no-push,"
                         f"pull=never,log={self.scratch}/log 0 0\n")
        done = self.run_mount("-T", fstab, folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.unmount, folder)
        self.assertEqual(os.getxattr(folder / "f", "user.imgmount.layer"), b"0")
        self.assertTrue((self.scratch / "log").exists())

    def test_takes_every_option_of_imgmount_and_its_manual_tells(self):
        # Of no use for what mount(8) does, or always so.
        without = {"--help", "--version", "--list", "--explain", "--unmount", "--options",
                   "--foreground", "--progress", "--quiet", "--lazy", "--json"}
        options = set(re.findall(r"^  (?:-\w,)?\s*(--[\w-]+)", self.out_of("imgmount", "--help"),
                                 re.M)) - without
        self.assertGreater(len(options), 12)
        page = (self.prefix / "share/man/man8/mount.imgmount.8").read_text().replace("\\-", "-")
        log = self.scratch / "imgmount.log"
        imgmount = self.prefix / "bin/imgmount"
        imgmount.write_text(f'#!/bin/sh\necho "$*" > {log}\n')
        for option in options:
            name = option.removeprefix("--")
            for text in (name, name + "=1"):
                subprocess.run([self.prefix / "sbin/mount.imgmount", "image", "dir", "-o",
                                "rw," + text], check=True)
                # With these, imgmount would name the source otherwise.
                named = text in ("all", "layer=1", "platform=1")
                if log.read_text() == (f"--quiet --{text}"
                                       f"{' -o fsname=image' if named else ''}"
                                       " -- image dir\n"):
                    break
            else:
                self.fail(option)
            self.assertRegex(page, rf"(?m)^\.BR.*\b{name}\b")

    def test_a_mistyped_option_gets_a_suggestion(self):
        done = self.run_mount("-t", "fuse.imgmount", "-o", "noxec", self.image,
                              self.mount_point())
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("did you mean noexec?", done.stderr)

    def test_a_line_of_fstab_pinned_by_digest(self):
        registry = self.registry()
        registry.push(self.image, "app:1", "--preserve-digests")
        [digest] = [m["digest"] for m in json.loads(
            (pathlib.Path(self.layout.folder) / "index.json").read_text())["manifests"]]
        folder = self.mount_point()
        fstab = self.scratch / "fstab"
        fstab.write_text(
            f"{registry.address}/app@{digest} {folder} fuse.imgmount "
            "_netdev,noauto,x-systemd.automount 0 0\n")
        done = self.run_mount("-T", fstab, folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.addCleanup(self.unmount, folder)
        self.assertEqual((folder / "f").read_bytes(), b"in the image")
        self.assertIn(digest, self.options_of(folder))

    def test_failures_end_as_mount_does_and_say_why(self):
        folder = self.mount_point()
        done = self.run_mount("-t", "fuse.imgmount", f"oci:{self.scratch}/nothing", folder)
        self.assertEqual(done.returncode, 32)
        self.assertIn("nothing", done.stderr)
        done = self.run_mount("-t", "fuse.imgmount", "-o", "nonsense", self.image, folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("nonsense", done.stderr)
        self.assertFalse(os.path.ismount(folder))


if __name__ == "__main__":
    harness.main()
