"""The manifests as `kubectl apply -k` would send them."""

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]

K8S = Path(__file__).parents[3] / "deploy" / "k8s"
OVERLAYS = ("production", "production-cache", "production-mtls", "single-node")
# The first version whose kustomize supports `patches` with a target and merges generated ConfigMaps.
NEEDED = "needs kubectl 1.25 or newer"


@lru_cache
def render(folder: str) -> list[Manifest]:
    """Return all objects of the kustomization in `folder` below deploy/k8s; skips without kubectl."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip(NEEDED)
    found = subprocess.run(
        [kubectl, "kustomize", str(K8S / folder)], capture_output=True, text=True, check=False
    )
    if "unknown field" in found.stderr:
        pytest.skip(NEEDED)
    assert found.returncode == 0, found.stderr
    return [manifest for manifest in yaml.safe_load_all(found.stdout) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the pod template of every workload by name."""
    return {
        manifest["metadata"]["name"]: manifest["spec"]["template"]
        for manifest in manifests
        if "template" in manifest.get("spec", {})
    }
