# SPDX-License-Identifier: Apache-2.0
"""imghistory and imginspect, to the letter: against golden files, and against
what podman and skopeo say about the same image."""

import json
import os
import subprocess

import harness
from harness import LAYER, LAYER_GZIP, NOT_FOUND, TOP, USAGE, Layout, NGINX
from oci_layout import digest_of
from tar_layer import dir, file, gzip, hardlink, symlink, tar

GOLDEN = TOP / "tests/golden/docker_output"

# Every field that a config can have, commands that must be cut, a step without
# a date, and tabs.
STEPS = [
    {"created": "2024-02-01T10:00:00.5Z", "created_by": "ADD rootfs.tar /"},
    {"created": "2024-02-01T10:01:00+02:00", "created_by": "ENV A=1", "empty_layer": True,
     "comment": "buildkit.dockerfile.v0"},
    {"created_by": "RUN /bin/sh -c apt-get update &&\tapt-get install -y nginx <more> # buildkit",
     "comment": "buildkit.dockerfile.v0"},
    {"created": "2024-02-01T10:03:00Z", "created_by": 'CMD ["nginx" "-g" "daemon off;"]',
     "empty_layer": True, "comment": "buildkit.dockerfile.v0"},
]
CONFIG = {
    "User": "101:101", "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
    "Env": ["PATH=/usr/sbin:/usr/bin", "A=<1&2>"], "Entrypoint": ["/entry.sh"],
    "Cmd": ["nginx", "-g", "daemon off;"], "Volumes": {"/var/cache": {}},
    "WorkingDir": "/srv", "Labels": {"maintainer": "NGINX <x@example.org>", "a": ""},
    "StopSignal": "SIGQUIT", "ArgsEscaped": True, "OnBuild": ["RUN true"],
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "Retries": 3},
    "Shell": ["/bin/sh", "-c"], "Hostname": "ignored",
}


class GoldenOutput(harness.EndToEnd):
    """GOLDEN_UPDATE=1 writes the files anew."""

    def setUp(self):
        super().setUp()
        layout = Layout(self.scratch / "layout")
        layers = [tar(dir("etc"), file("etc/a", b"a" * 1234)), tar(file("b", b"b" * 567890))]
        config = {
            "created": "2024-02-01T10:03:00Z", "author": "The <authors>",
            "architecture": "amd64", "os": "linux", "config": CONFIG,
            "rootfs": {"type": "layers", "diff_ids": [digest_of(x) for x in layers]},
            "history": STEPS,
        }
        layout.name("latest", layout.add_image(
            config, [layout.add_blob(x, LAYER) for x in layers]))
        self.hub = self.registry()
        self.hub.push(f"oci:{layout.folder}:latest", "library/golden:latest",
                      "--preserve-digests")
        self.mirror(self.hub.address)
        self.pushed = len(self.hub.requests())

    def assert_read_little(self):
        """At most five requests, and of blobs the config alone."""
        requests = self.hub.requests()[self.pushed:]
        self.assertLessEqual(len(requests), 5, requests)
        self.assertEqual(len([r for r in requests if "/blobs/" in r]), 1, requests)

    def check(self, name, tool, *args):
        out = self.out_of(tool, *args, "golden", TZ="UTC")
        path = GOLDEN / name
        if os.environ.get("GOLDEN_UPDATE"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(out)
        self.assertEqual(out, path.read_text())

    def test_history_of_an_image_never_seen(self):
        self.check("history-unseen", "imghistory", "--human=false")
        self.assert_read_little()

    def test_history(self):
        self.out_of("imgpull", "-q", "golden")
        self.check("history", "imghistory", "--human=false")
        self.check("history-no-trunc", "imghistory", "--human=false", "--no-trunc")
        self.check("history-layers", "imghistory", "--human=false", "--layers")
        self.check("history-quiet", "imghistory", "-q")
        self.check("history-quiet-no-trunc", "imghistory", "-q", "--no-trunc")
        self.check("history-json", "imghistory", "--human=false", "--format", "json")
        self.check("history-format", "imghistory", "--format",
                   r"table {{.ID}}\t{{.Size}}\t{{.CreatedAt}}\t{{upper .Comment}}")

    def test_inspect_of_an_image_never_seen(self):
        self.check("inspect-unseen", "imginspect")
        self.assert_read_little()

    def test_inspect(self):
        self.out_of("imgpull", "-q", "golden")
        self.check("inspect", "imginspect")
        self.check("inspect-id-manifest", "imginspect", "--id=manifest")
        self.check("inspect-json", "imginspect", "--format", "json")
        self.check("inspect-format", "imginspect", "--format", """\
{{range $i, $e := .Config.Env}}{{$i}}={{$e}} {{end}}
{{with .Config.Healthcheck}}{{.Retries}}{{end}} {{len .RootFS.Layers}}
{{if and (eq .Os "linux") (gt .Size 1000)}}{{json .Config.Cmd}}{{else}}no{{end}}
{{join .Config.Cmd "|" | upper}} {{index .Config.Labels "maintainer"}} {{.Config.OnBuild}}
{{printf "%-12s%q" .Architecture .Author}} {{(split .Created "T") | len}}""")

    def test_the_raw_documents_are_as_published(self):
        raw = self.out_of("imginspect", "--raw", "manifest", "golden")
        [inspected] = json.loads(self.out_of("imginspect", "--id=manifest", "golden"))
        self.assertEqual(digest_of(raw.encode()), inspected["Id"])
        config = self.out_of("imginspect", "--raw", "config", "golden")
        self.assertEqual(digest_of(config.encode()), json.loads(raw)["config"]["digest"])

    def test_several_images_and_missing_ones(self):
        missing = f"{self.hub.address}/library/missing"
        done = self.run_tool("imginspect", "golden", missing, "golden")
        self.assertEqual(done.returncode, NOT_FOUND)
        self.assertEqual([i["RepoTags"] for i in json.loads(done.stdout)],
                         [["golden:latest"]] * 2)
        self.assertIn("library/missing", done.stderr)
        done = self.run_tool("imginspect", missing)
        self.assertEqual((done.returncode, done.stdout), (NOT_FOUND, "[]\n"))

    def test_bad_templates(self):
        for template in ("{{.Config", "{{.Nothing}}", "{{nothing .Id}}", "{{if}}x{{end}}"):
            for tool in ("imginspect", "imghistory"):
                self.assert_fails(self.run_tool(tool, "--format", template, "golden"), USAGE)

    def test_a_mount_is_told(self):
        folder = self.mount("golden")
        template = "{{.GraphDriver.Name}} {{.GraphDriver.Data.MergedDir}}"
        self.assertEqual(self.out_of("imginspect", "-f", template, "golden"),
                         f"imgmount {folder}\n")
        self.unmount(folder)
        self.assertEqual(self.out_of("imginspect", "-f", "{{json .GraphDriver}}", "golden"),
                         '{"Data":null,"Name":"imgmount"}\n')


def engine_images(layout):
    """Images that Docker was shown, by name."""
    layers = [tar(dir("etc"), file("etc/a", b"a" * 1234)),
              tar(dir("var"), symlink("var/a", "/dev/stdout"), symlink("var/b", "/dev/stderr")),
              tar(file("x", b"x" * 100), hardlink("y", "x"),
                  symlink("z", "1234567"), hardlink("zz", "z"))]
    steps = [
        {"created": "2024-02-01T10:00:00.5+02:00", "comment": "a <&> \u2028",
         "created_by": "ADD \t<&> \u2028 \u2029 \"\\ \u00e9 \U0001f600 /"},
        {"created": "2024-02-01T10:01:00Z", "created_by": "RUN ln -sf /dev/stdout /var/a &&"
         " ln -sf /dev/stderr /var/b # buildkit"},
        {"created": "2024-02-01T10:02:00Z", "created_by": "ENV A=1", "empty_layer": True},
        {"created": "2024-02-01T10:03:00Z", "created_by": "COPY x /"}]
    # Also histories shorter than the layers.
    for name, created, history in (
            ("whole", "2024-02-01T10:03:00.120Z", steps),
            ("short", "2024-02-01T10:03:00.000+00:00", steps[:1]),
            ("none", "2024-02-01T12:03:00.1234567890123+02:00", [])):
        config = harness.config_of(layers, created=created, history=history)
        layout.name(name, layout.add_image(
            config, [layout.add_blob(gzip(x), LAYER_GZIP) for x in layers]))
        yield name


ENGINE_COMMANDS = {
    "history": ("--human=false",),
    "history-no-trunc": ("--human=false", "--no-trunc"),
    "history-quiet": ("-q",),
    "history-json": ("--human=false", "--format", "json"),
    "history-templates": (
        "--human=false", "--format",
        r"{{json .}}|{{json .CreatedBy}}|{{.Size}}\t{{upper .Comment}} {{len .ID}}"),
    "history-table": (
        "--human=false", "--format",
        r"table {{.ID}}\t{{.Size}}\t{{upper .CreatedAt}}\t{{pad .Comment 1 2}}"),
    "inspect": ("-f", "{{.Id}} {{.Created}} {{.Size}} {{.Comment}} {{json .RootFS}}"),
}


class AsDockerEngine(harness.EndToEnd):
    """The golden files are what Docker's engine 20.10 with overlay2, and its client
    28.2, printed of these images."""

    def test_history_and_inspect(self):
        layout = Layout(self.scratch / "layout")
        for image in engine_images(layout):
            self.out_of("imgpull", "-q", f"oci:{layout.folder}:{image}")
            for name, arguments in ENGINE_COMMANDS.items():
                with self.subTest(image=image, command=name):
                    out = self.out_of("img" + name.partition("-")[0], *arguments,
                                      f"oci:{layout.folder}:{image}", TZ="UTC")
                    golden = GOLDEN / f"engine-{image}-{name}"
                    self.assertEqual(out, golden.read_text())

    def test_layers_that_no_step_made_are_listed_with_the_layers(self):
        layout = Layout(self.scratch / "layout")
        list(engine_images(layout))
        rows = self.out_of("imghistory", "--layers", "--format", "{{.CreatedBy}}|{{.Layer}}",
                           f"oci:{layout.folder}:short").rstrip("\n").split("\n")
        self.assertEqual(len(rows), 3)
        self.assertTrue(all(row.rpartition("|")[2] for row in rows), rows)


class SameFactsAsOthers(harness.EndToEnd):
    """The sample nginx."""

    def setUp(self):
        super().setUp()
        self.image = f"oci:{NGINX}:latest"
        [self.inspected] = json.loads(self.out_of("imginspect", self.image))

    def podman(self, *args):
        return subprocess.run(
            ["podman", "--root", str(self.scratch / "podman"), "--runroot",
             str(self.scratch / "podman-run"), "--storage-driver", "vfs", *args],
            check=True, env=self.environment, stdout=subprocess.PIPE, text=True,
            timeout=300).stdout

    def test_as_podman_history_and_inspect(self):
        image = self.podman("pull", "--quiet", self.image).strip()
        [theirs] = json.loads(self.podman("inspect", "--type", "image", image))
        ours = self.inspected
        self.assertEqual(ours["Id"], "sha256:" + theirs["Id"])
        for key in ("Created", "Architecture", "Os", "RootFS"):
            self.assertEqual(ours[key], theirs[key], key)
        self.assertEqual(ours["Config"], theirs["Config"])
        self.assertEqual(ours.get("Author", ""), theirs["Author"])

        rows = [json.loads(line) for line in self.out_of(
            "imghistory", "--no-trunc", "--human=false", "--format", "json", self.image,
            TZ="UTC").splitlines()]
        steps = json.loads(self.podman("history", "--format", "json", image))
        self.assertEqual(len(rows), len(steps))
        for ours, theirs in zip(rows, steps):
            self.assertEqual(ours["ID"].removeprefix("sha256:"), theirs["id"])
            self.assertEqual(ours["CreatedAt"], theirs["created"])
            self.assertEqual(ours["CreatedBy"], theirs["CreatedBy"])
            self.assertEqual(ours["Comment"], theirs["comment"])
            # podman counts the tar, Docker and this the files in it.
            self.assertEqual(ours["Size"] == "0", theirs["size"] == 0)

    def test_as_skopeo_inspect(self):
        config = json.loads(subprocess.run(
            ["skopeo", "inspect", "--config", self.image], check=True,
            stdout=subprocess.PIPE).stdout)
        ours = self.inspected
        self.assertEqual(ours["Config"], config["config"])
        self.assertEqual(ours["RootFS"]["Layers"], config["rootfs"]["diff_ids"])
        self.assertEqual((ours["Created"], ours["Architecture"], ours["Os"]),
                         (config["created"], config["architecture"], config["os"]))
        summary = json.loads(subprocess.run(
            ["skopeo", "inspect", self.image], check=True, stdout=subprocess.PIPE).stdout)
        rows = [json.loads(line) for line in self.out_of(
            "imghistory", "--layers", "--no-trunc", "--format", "json",
            self.image).splitlines()]
        self.assertEqual([r["Layer"] for r in reversed(rows) if r["Layer"]],
                         summary["Layers"])


if __name__ == "__main__":
    harness.main()
