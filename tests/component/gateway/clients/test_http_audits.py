"""GraphQL over HTTP, judged by the audits of the graphql-http package."""

import json
import sys
from collections import Counter

from tests.fixtures.browser.javascript import Script
from tests.fixtures.gateway import Client

AUDITS = 61


async def test_every_audit_of_graphql_over_http_passes(client: Client, script: Script) -> None:
    results = json.loads(await script("conformance/audit_http.mjs", f"{client.url}/graphql"))
    passed = Counter(r["name"].split()[0] for r in results if r["status"] == "ok")
    sys.stdout.write(f"audits of graphql-http passed: {dict(passed)} of {len(results)}\n")
    assert [r for r in results if r["status"] != "ok"] == []
    assert len(results) == AUDITS
