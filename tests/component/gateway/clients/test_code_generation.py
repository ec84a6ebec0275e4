"""TypeScript from schema.graphql by graphql-codegen's client preset, compiled with an application's code."""

import json
import shutil
from pathlib import Path

from tests.fixtures.javascript import JS, Script

SCHEMA = JS.parents[1] / "schema.graphql"


async def test_generated_types_compile_and_catch_what_the_schema_forbids(
    script: Script, tmp_path: Path
) -> None:
    made = json.loads(await script("conformance/generate_types.mjs", str(SCHEMA), str(tmp_path)))
    assert {Path(file).name for file in made} == {"graphql.ts", "gql.ts", "index.ts"}
    shutil.copy(JS / "conformance" / "shop.ts", tmp_path)
    (tmp_path / "node_modules").symlink_to(JS / "node_modules")
    # Fails with the compiler's words; the lines that must not compile are marked in the file itself.
    await script(
        "node_modules/typescript/bin/tsc",
        *("--noEmit", "--strict", "--skipLibCheck", "--preserveSymlinks"),
        *("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"),
        str(tmp_path / "shop.ts"),
    )
