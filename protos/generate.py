"""Generates the Python stubs of every .proto beside it; with `--check`, verifies that they are current."""

import os
import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parent
# The generated imports are proto paths (`catalogue.v1`), but modules here are `protos.catalogue.v1`.
OWN_IMPORT = re.compile(
    r"^(from|import) (?=(?:auth|common|catalogue|changes|orders|esims|webhooks)\.v1\b)",
    re.MULTILINE,
)
OWN_NAME = re.compile(
    r"(?<![\w.\"'/])(?=(?:auth|common|catalogue|changes|orders|esims|webhooks)\.v1\.\w+_pb2)"
)


def generate(target: Path) -> None:
    """Compile all .proto files into `target`, with the same folders."""
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    well_known = str(resources.files("grpc_tools") / "_proto")
    # protoc looks for its plugins in PATH, and they are beside the Python interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    kinds = {"python": "", "grpc_python": "", "mypy": "quiet:", "mypy_grpc": "quiet:"}
    outputs = [f"--{kind}_out={options}{target}" for kind, options in kinds.items()]
    failed = protoc.main(["protoc", f"-I{ROOT}", f"-I{well_known}", *outputs, *sources])
    if failed:
        raise SystemExit("protoc failed: see its message above")
    for path in [*target.rglob("*_pb2*.py"), *target.rglob("*_pb2*.pyi")]:
        text = OWN_IMPORT.sub(r"\1 protos.", path.read_text())
        if path.suffix == ".pyi":
            text = OWN_NAME.sub("protos.", text).replace("protos.protos.", "protos.")
        path.write_text(text)


def stale(fresh: Path) -> list[str]:
    """Return the stubs that are missing, differ from `fresh`, or have no source anymore."""
    made = {path.relative_to(fresh) for path in fresh.rglob("*_pb2*")}
    here = {path.relative_to(ROOT) for path in ROOT.rglob("*_pb2*.py*") if path.suffix != ".pyc"}
    differ = {p for p in made & here if (fresh / p).read_bytes() != (ROOT / p).read_bytes()}
    return sorted(map(str, (made ^ here) | differ))


def main() -> None:
    """Run as `make protos`, or with `--check` as part of `make check`."""
    if "--check" not in sys.argv:
        generate(ROOT)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        if names := stale(Path(folder)):
            raise SystemExit(f"stubs differ from their .proto; run `make protos`: {names}")


if __name__ == "__main__":
    main()
