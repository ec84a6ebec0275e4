"""The graphql-ws client follows an eSIM on the real services, past the expiry of its session."""

import json

from tests.fixtures.browser.javascript import Script
from tests.fixtures.platform import Platform


async def test_graphql_ws_continues_with_a_new_token_when_its_session_expires(
    platform: Platform, script: Script
) -> None:
    ann = await platform.customer("ann@example.com")
    (esim,) = (await platform.buy(ann))["esims"]
    output = await script(
        "conformance/follow.mjs",
        f"{ann.url}/graphql",
        platform.auth.url,
        "ann@example.com",
        ann.token or "",
        esim["id"],
    )
    result = json.loads(output)
    assert result["statuses"] == ["ASSIGNED", "SUSPENDED", "ASSIGNED"]
    assert result["closed"][0] == [4403, "The session has expired; connect with a new token"]
    assert result["root"] == "Query"
    assert result["errors"] == [["BAD_REQUEST"], ["NOT_FOUND"]]
