"""A callback, and what is stored of callbacks."""

import json

from tests.fixtures.postgres import Databases

BODY = json.dumps({"alertType": "FirstAttachment", "iccid": "8943108169900000016"}).encode()


async def stored(databases: Databases) -> list[dict[str, object]]:
    rows = await databases.admin.fetch(
        "select body, event_type, signed, times_received, headers from webhooks.inbox"
    )
    return [dict(row) for row in rows]
