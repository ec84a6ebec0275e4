"""The gateway's HTTP endpoint: refusals, health, CORS, and masked errors."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from gateway.__main__ import serve
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Answered, Client, Gateway, stop_service
from tests.fixtures.patience import until
from tests.fixtures.sandboxes import Auth

QUERY = "{ featuredPlans { name } }"
JSON = {"Content-Type": "application/json"}
GRAPHQL = "application/graphql-response+json"


async def post(client: Client, body: bytes, headers: dict[str, str]) -> Answered:
    async with client.http.post(f"{client.url}/graphql", data=body, headers=headers) as answer:
        return Answered(answer.status, answer.headers, await answer.json(content_type=None))


async def get(client: Client, path: str, **parameters: str) -> Answered:
    async with client.http.get(client.url + path, params=parameters) as answer:
        return Answered(answer.status, answer.headers, await answer.json(content_type=None))


@pytest.fixture
def serving_plans(gateway: Gateway) -> Gateway:
    gateway.catalogue.answers["ListFeaturedPlans"] = catalogue_pb2.ListFeaturedPlansResponse()
    return gateway


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"NaN", "not valid JSON"),
        (b'{"query": "\\ud800"}', "not valid JSON"),
        (b"[" * 10_000, "not valid JSON"),
        (b"1" * 10_000, "too many digits"),
        (b"null", "must be an object"),
        (b"[]", "Batches are not supported"),
        (b'[{"query": "{ __typename }"}]', "Batches are not supported"),
        (b"{}", "`query` is missing"),
        (b'{"query": ""}', "`query` is missing"),
        (b'{"query": 5}', "`query` is missing"),
        (b'{"query": "{ __typename }", "variables": []}', "`variables` must be"),
        (b'{"query": "{ __typename }", "operationName": 1}', "`operationName` must be"),
        (b'{"query": "{ __typename }", "extensions": "x"}', "`extensions` must be"),
    ],
)
async def test_a_malformed_body_is_refused_with_a_message(
    client: Client, body: bytes, message: str
) -> None:
    answer = await post(client, body, JSON)
    assert answer.status == 400
    assert message in answer.error["message"]
    assert answer.code == "BAD_REQUEST"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_only_uncompressed_utf8_json_is_accepted(
    client: Client, headers: dict[str, str]
) -> None:
    answer = await post(client, b'{"query": "{ __typename }"}', headers)
    assert answer.status in (400, 415)
    assert answer.error["message"]


@pytest.mark.parametrize("name", ["Utf-8", "UTF8", '"utf-8"'])
async def test_charset_names_are_case_insensitive(serving_plans: Gateway, name: str) -> None:
    headers = {"Content-Type": f"application/json; charset={name}"}
    answer = await post(serving_plans.client, json.dumps({"query": QUERY}).encode(), headers)
    assert answer.data == {"featuredPlans": []}


@pytest.mark.parametrize("path", ["/graphql", "/nowhere"])
async def test_a_false_content_encoding_is_not_a_server_error(
    client: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    async with client.http.post(client.url + path, data=b"no gzip", headers=headers) as answer:
        assert answer.status in (404, 415)
    async with client.http.get(f"{client.url}/healthz") as answer:
        assert answer.status == 200
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_client_that_disconnects_mid_request_is_not_a_server_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    host, port = client.url.removeprefix("http://").split(":")
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + b"Content-Length: 100\r\n\r\nhalf of it")
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    async with client.http.get(f"{client.url}/healthz") as answer:
        assert answer.status == 200
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


async def test_a_byte_order_mark_before_the_body_is_ignored(client: Client) -> None:
    answer = await post(client, b'\xef\xbb\xbf{"query": "{ __typename }"}', JSON)
    assert answer.data == {"__typename": "Query"}


async def test_a_client_that_accepts_json_gets_200_for_any_well_formed_request(
    client: Client,
) -> None:
    answer = await client.ask("{ nothing }", {"Accept": "application/json"})
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert "data" not in answer.body


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, application/json", "application/json"),
        ("text/html;q=oops", "application/json"),
    ],
)
async def test_the_media_type_follows_the_accept_header(
    serving_plans: Gateway, accept: str, kind: str
) -> None:
    answer = await serving_plans.client.ask(QUERY, {"Accept": accept})
    assert answer.data == {"featuredPlans": []}
    assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"


async def test_refusals_use_the_clients_media_type(client: Client) -> None:
    for accept, kind in ((GRAPHQL, GRAPHQL), ("application/json", "application/json")):
        answer = await post(client, b"[]", {**JSON, "Accept": accept})
        assert answer.status == 400
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"


async def test_queries_can_be_sent_by_get(serving_plans: Gateway) -> None:
    answer = await get(
        serving_plans.client,
        "/graphql",
        query="query($n: Int! = 5) { featuredPlans(first: $n) { name } }",
        variables='{"n": 7}',
    )
    assert answer.data == {"featuredPlans": []}
    assert serving_plans.catalogue.requests[0].page_size == 7


async def test_get_parameters_with_invalid_json_are_refused(client: Client) -> None:
    answer = await get(client, "/graphql", query="{ __typename }", variables="{")
    assert answer.status == 400
    assert answer.error["message"] == "`variables` is not valid JSON in UTF-8"


@pytest.mark.parametrize("kind", [Kind.EXHAUSTED, Kind.UNAVAILABLE])
async def test_a_failure_reports_when_to_retry(gateway: Gateway, kind: Kind) -> None:
    gateway.catalogue.answers["ListRegions"] = Failure(kind, "BUSY", "Busy", retry_after=2.5)
    answer = await gateway.client.ask("{ regions { name } }")
    assert answer.error["message"] == "Failed to fetch data plans"
    assert answer.error["extensions"]["retryAfter"] == 2.5


def broken(request: object) -> None:
    raise ZeroDivisionError("secret details")


async def test_an_unexpected_error_is_masked_under_an_id(gateway: Gateway) -> None:
    gateway.catalogue.answers["ListRegions"] = broken
    answer = await gateway.client.ask("{ regions { name } }")
    assert answer.code == "INTERNAL"
    assert "secret" not in json.dumps(answer.body)
    assert answer.error["extensions"]["faultId"] in answer.error["message"]


async def test_a_value_that_does_not_fit_the_schema_is_masked_and_logged(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    far = catalogue_pb2.DataPlan(id="1")
    far.updated_at.seconds = 10**15  # outside Python's range of years
    gateway.catalogue.answers["GetPlan"] = catalogue_pb2.GetPlanResponse(plan=far)
    with caplog.at_level(logging.ERROR, "gateway"):
        answer = await gateway.client.ask(
            '{ dataPlan(id: "1") { id updatedAt } }', {"X-Request-Id": "r-1"}
        )
    assert answer.code == "INTERNAL"
    fault = answer.error["extensions"]["faultId"]
    assert any(f"request r-1 failed, fault {fault}" in line for line in caplog.messages)


async def test_a_valid_request_id_is_forwarded_and_an_invalid_one_is_replaced(
    client: Client,
) -> None:
    answer = await client.ask("{ __typename }", {"X-Request-Id": "abc-1"})
    assert answer.headers["X-Request-Id"] == "abc-1"
    assert "Server" not in answer.headers
    answer = await client.ask("{ __typename }", {"X-Request-Id": "a b"})
    assert len(answer.headers["X-Request-Id"]) == 32


async def test_only_allowed_origins_get_cors_headers(client: Client) -> None:
    answer = await client.ask("{ __typename }", {"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    answer = await client.ask("{ __typename }", {"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    async with client.http.options(f"{client.url}/graphql", headers=headers) as preflight:
        assert preflight.status == 204
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"


async def test_other_paths_and_methods_answer_json(client: Client) -> None:
    answer = await get(client, "/nothing")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")
    async with client.http.put(f"{client.url}/graphql") as refused:
        assert refused.status == 405
        assert (await refused.json())["errors"]


async def test_readiness_names_unavailable_services(gateway: Gateway) -> None:
    client = gateway.client
    every = {"catalogue": "SERVING", "orders": "SERVING", "esims": "SERVING"}

    async def ready(status: int, body: Any) -> bool:
        """Results are cached briefly, and a slow machine may take longer than a check waits."""
        answer = await get(client, "/readyz")
        return (answer.status, answer.body | body) == (status, answer.body)

    await until(lambda: ready(200, {"status": "ok", "services": every}))
    await stop_service(gateway, "orders")
    await until(lambda: ready(503, {"services": every | {"orders": "UNREACHABLE"}}))
    assert (await get(client, "/healthz")).status == 200


@pytest.mark.parametrize("token", ["rubbish", "e30.e30."])
async def test_a_token_that_is_sent_must_be_valid_even_for_public_fields(
    serving_plans: Gateway, token: str
) -> None:
    answer = await serving_plans.client.signed_in(token).ask(QUERY)
    assert answer.status == 401
    assert answer.error["message"] == "Not authenticated"
    assert answer.code == "UNAUTHENTICATED"
    assert not serving_plans.catalogue.calls


async def test_the_service_role_key_is_not_a_user_session(client: Client, auth: Auth) -> None:
    answer = await client.signed_in(auth.service_role_key).ask("{ __typename }")
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


async def test_a_stopping_gateway_completes_requests_in_flight(gateway: Gateway) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(request: object) -> catalogue_pb2.ListRegionsResponse:
        begun.set()
        await go.wait()
        return catalogue_pb2.ListRegionsResponse()

    gateway.catalogue.answers["ListRegions"] = slow
    stop = asyncio.Event()
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(gateway.settings, stop, started.set_result))
    port = await started
    client = replace(gateway.client, url=f"http://127.0.0.1:{port}")
    pending = asyncio.create_task(client.ask("{ regions { name } }"))
    await begun.wait()
    stop.set()
    # New connections are refused while the request in flight completes.
    with pytest.raises(OSError, match="Connect call failed"):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
    go.set()
    assert (await pending).data == {"regions": []}
    await serving
