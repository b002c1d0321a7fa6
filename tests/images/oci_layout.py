# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI image layout: blobs, configs, manifests, indexes and names.

What a caller hands over is written as it is, also when it makes no sense:
tests need broken images as much as good ones.
"""

import hashlib
import json
import os
import shutil

OCI = "application/vnd.oci.image"
MANIFEST = OCI + ".manifest.v1+json"
INDEX = OCI + ".index.v1+json"
CONFIG = OCI + ".config.v1+json"
LAYER = OCI + ".layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
LAYER_ZSTD = LAYER + "+zstd"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    def __init__(self, folder):
        self.folder = str(folder)
        self.named = []
        os.makedirs(self.folder + "/blobs/sha256", exist_ok=True)
        if not os.path.exists(self.folder + "/oci-layout"):
            self._write("oci-layout", {"imageLayoutVersion": "1.0.0"})

    def _write(self, name, document):
        path = f"{self.folder}/{name}"
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(document, file)
        os.replace(path + ".new", path)

    def blob_path(self, digest):
        return f"{self.folder}/blobs/{digest.replace(':', '/')}"

    def add_blob(self, data, media_type):
        """Stores bytes; returns their descriptor."""
        digest = digest_of(data)
        with open(self.blob_path(digest), "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_file(self, path, digest, media_type):
        """Moves a file in as a blob; returns its descriptor."""
        size = os.stat(path).st_size
        os.chmod(path, 0o644)
        shutil.move(path, self.blob_path(digest))
        return {"mediaType": media_type, "digest": digest, "size": size}

    def add_json(self, document, media_type):
        return self.add_blob(json.dumps(document).encode(), media_type)

    def add_image(self, config, layers):
        """Stores a config and the manifest over it and the layers'
        descriptors; returns the manifest's descriptor with its platform."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_json(config, CONFIG),
            "layers": layers,
        }
        platform = {k: config[k] for k in ("architecture", "os", "variant")
                    if k in config}
        return {**self.add_json(manifest, MANIFEST), "platform": platform}

    def add_index(self, manifests):
        return self.add_json(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests},
            INDEX)

    def name(self, name, descriptor):
        """Points a name at a descriptor in index.json."""
        annotations = {"org.opencontainers.image.ref.name": name}
        self.named.append({**descriptor, "annotations": annotations})
        self._write("index.json", {"schemaVersion": 2,
                                   "manifests": self.named})
