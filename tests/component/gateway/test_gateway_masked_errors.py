"""Every field of the schema, requested by every role with other customers' ids, reveals nothing of theirs."""

import json
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_object_type,
)

from gateway.schema.assembly import build
from tests.fixtures.gateway import Client
from tests.fixtures.platform import Platform

# Deep enough to reach from any root field an eSIM, and from there its order and bundles.
DEPTH = 4
# Arguments that a customer may send with foreign ids; fields without them are skipped. More rows would
# exceed the limit of one operation.
VALUES = {"reference": '"mine now"', "region": "null", "first": "10", "note": '"mine now"'}


def schema() -> GraphQLSchema:
    return build_schema(build(max_depth=12).as_str(), assume_valid_sdl=True)


def selection(kind: GraphQLObjectType, depth: int, above: tuple[str, ...] = ()) -> str:
    """Select every field of a type down to `depth`, except those of the types `above`, which contain it."""
    parts = []
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            parts.append(name)
        elif depth and is_object_type(inner) and inner.name not in (*above, kind.name):
            parts.append(f"{name} {selection(inner, depth - 1, (*above, kind.name))}")
    return "{ __typename " + " ".join(parts) + " }"


def call(name: str, field: GraphQLField, ids: dict[str, str]) -> str:
    """One root field with the given ids and a full selection."""
    given = {a: VALUES.get(a) or f'"{ids[a]}"' for a in field.args if a in ids or a in VALUES}
    arguments = ", ".join(f"{name}: {value}" for name, value in given.items())
    kind = get_named_type(field.type)
    below = selection(kind, DEPTH - 1) if is_object_type(kind) else ""
    return f"{name}{f'({arguments})' if arguments else ''} {below}"


def operations(ids: dict[str, str]) -> list[str]:
    """Every operation of the schema; `id` is an order's in one and an eSIM's in another."""
    found = []
    whole = schema()
    for keyword, root in (
        ("query", whole.query_type),
        ("mutation", whole.mutation_type),
        ("subscription", whole.subscription_type),
    ):
        assert root is not None
        for name, field in root.fields.items():
            if name.startswith("_") or name == "purchaseESIM":
                continue  # creates the caller's own things, or federation, which has its own tests
            own = ids | {"id": ids["esimId"] if name == "esimDetails" else ids["orderId"]}
            found.append(f"{keyword} {{ {call(name, field, own)} }}")
    return found


async def response_to(client: Client, operation: str) -> Any:
    """Return the response; for a subscription its first event, which is the current state."""
    if not operation.startswith("subscription"):
        return (await client.ask(operation)).body
    headers = {"Accept": "text/event-stream"}
    if client.token is not None:
        headers["Authorization"] = f"Bearer {client.token}"
    url = f"{client.url}/graphql"
    async with client.http.post(url, json={"query": operation}, headers=headers) as answer:
        event = b""
        while not event.endswith(b"\n\n"):  # a line may exceed the client's buffer
            more = await answer.content.readany()
            assert more, "the stream ended before its first event"
            event += more
        return json.loads(event.partition(b"data: ")[2].partition(b"\n")[0])


async def test_no_field_reveals_another_customers_data(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    bob = await platform.customer("bob@example.com")
    order = await platform.buy(ann, quantity=2)
    ids = dict.fromkeys(("orderId", "planId", "walletId"), order["id"])
    ids["esimId"] = order["esims"][0]["id"]
    details = await ann.ask(
        "query($id: ID!) { orderDetails(id: $id) {"
        " id reference esims { id iccid matchingId activationCode } } }",
        id=order["id"],
    )
    hers = details.data["orderDetails"]
    secrets = {hers["reference"]}
    secrets |= {e[key] for e in hers["esims"] for key in ("id", "iccid", "matchingId")}
    secrets -= set(ids.values())  # a response may echo what the caller sent
    assert len(secrets) == 6

    # Proof that the test can fail: the owner's session finds all of it.
    for keyword in ("query", "subscription"):
        found = json.dumps(
            [await response_to(ann, o) for o in operations(ids) if o.startswith(keyword)]
        )
        assert [secret for secret in secrets if secret not in found] == [], keyword

    for somebody in (bob, platform.client):
        for operation in operations(ids):
            body = json.dumps(await response_to(somebody, operation))
            assert [secret for secret in secrets if secret in body] == [], operation
            assert "INTERNAL" not in body, operation

    after = await ann.ask(
        "query($id: ID!) { orderDetails(id: $id) { status esims { status customerRef } } }",
        id=order["id"],
    )
    assert after.data["orderDetails"]["status"] == "COMPLETED"
    assert {e["status"] for e in after.data["orderDetails"]["esims"]} == {"ASSIGNED"}
    assert "mine now" not in json.dumps(after.body)
