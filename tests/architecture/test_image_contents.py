"""The image contains what its processes read besides their own modules."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kit.process.telemetry import version

ROOT = Path(__file__).parents[2]
COPIED = re.compile(r"^COPY ([\w.]+) ([\w./]+)$", re.MULTILINE)


def runtime_stage() -> list[tuple[str, str]]:
    """Return what the last stage of the Dockerfile copies from the project, and where to."""
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    return COPIED.findall(text.partition("FROM base AS runtime")[2])


@pytest.mark.slow
def test_a_process_in_the_image_knows_its_version(tmp_path: Path) -> None:
    for source, target in runtime_stage():
        if (ROOT / source).is_dir():
            shutil.copytree(
                ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("source")
            )
        else:
            shutil.copy(ROOT / source, tmp_path / target)
    code = "from kit.process.telemetry import version; print(version())"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == version() != "unknown"


def test_everything_that_is_copied_is_in_the_context_of_the_build() -> None:
    context = (ROOT / ".dockerignore").read_text().splitlines()
    assert len(runtime_stage()) > 5
    for source, _ in runtime_stage():
        assert f"!{source}" in context
