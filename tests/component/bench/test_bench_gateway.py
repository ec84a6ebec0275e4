"""The gateway benchmark: equal responses of all servers, counted errors, and the comparison table."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bench import gateway_cpu, gateway_report
from bench.gateway import REPLAYED, available, comparing
from bench.gateway_load import Request, Run, put_load
from bench.gateway_servers import (
    APOLLO,
    BARE,
    CACHED,
    HTTP_CACHE,
    MERCURIUS,
    OURS,
    SERVERS,
    Server,
    Starter,
    answer_of,
    check_equal,
    node_is_missing,
)
from bench.gateway_shop import ESIM_COUNT, PUBLIC, QUERIES
from tests.fixtures.browser.javascript import NEEDED
from tests.fixtures.programs.http_cache import nginx

REQUEST = Request("plans", json.dumps({"query": "{ plans }"}))


@asynccontextmanager
async def bare(folder: Path, answer: object) -> AsyncIterator[tuple[aiohttp.ClientSession, Server]]:
    """Serve this one response to every request."""
    (folder / REQUEST.name).write_text(json.dumps(answer))
    async with aiohttp.ClientSession() as http:
        starter = Starter({}, {}, None, http, lambda _name, _line: None)
        async with starter.running([BARE], folder) as (server,):
            yield http, server


@pytest.mark.skipif(node_is_missing() is not None, reason=NEEDED)
async def test_all_servers_return_the_same_data() -> None:
    async with comparing(available(SERVERS), QUERIES, REPLAYED, None) as (
        machine,
        servers,
        requests,
    ):
        assert {OURS, APOLLO, MERCURIUS, BARE} <= {server.name for server in servers}
        assert [request.name for request in requests] == list(QUERIES)
        apollo = next(server for server in servers if server.name == APOLLO)
        body = await answer_of(machine.http, apollo, requests[QUERIES.index("myESIMs")])
        assert len(json.loads(body)["data"]["myESIMs"]) == ESIM_COUNT


async def test_the_http_cache_answers_public_queries_like_the_gateway() -> None:
    if available([HTTP_CACHE]) == []:
        nginx()  # skips
    async with comparing([CACHED, HTTP_CACHE], PUBLIC, REPLAYED, None) as (
        machine,
        servers,
        requests,
    ):
        cache = next(server for server in servers if server.name == HTTP_CACHE)
        async with machine.http.get(cache.url_of(requests[0])) as answer:
            assert answer.headers["X-Cache"] == "HIT"  # `comparing` has sent the same


async def test_a_different_response_is_an_error(tmp_path: Path) -> None:
    async with bare(tmp_path, {"data": {"plans": [{"price": 2.0}]}}) as (http, server):
        await check_equal(http, [server], REQUEST, b'{"data": {"plans": [{"price": 2}]}}')
        with pytest.raises(RuntimeError, match="bare returns different data for plans"):
            await check_equal(http, [server], REQUEST, b'{"data": {"plans": [{"price": 3}]}}')


async def test_a_response_with_errors_is_an_error(tmp_path: Path) -> None:
    async with bare(tmp_path, {"data": None, "errors": [{"message": "No"}]}) as (http, server):
        with pytest.raises(RuntimeError, match="bare refused plans"):
            await answer_of(http, server, REQUEST)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (Debian: apt-get install wrk)")
@pytest.mark.parametrize(("answer", "bad"), [({"data": {}}, False), ({"errors": []}, True)])
async def test_the_load_counts_requests_and_errors(
    tmp_path: Path, answer: dict[str, object], bad: bool
) -> None:
    async with bare(tmp_path, answer) as (_, server):
        names = gateway_cpu.children() | {server.pid: server.name}
        run = await put_load(server.url_of(REQUEST), REQUEST, 4, 1, names, None)
    assert run.requests > 0
    assert run.errors == (run.requests if bad else 0)
    assert run.cpu[BARE] > 0
    assert run.p50 <= run.p99


def run_of(server: str, requests: int, cpu: float) -> Run:
    """Return the result of a run of one second."""
    return Run(requests, 1.0, p50=1.0, p99=2.0, errors=0, cpu={server: cpu, "load": 0.1}, core=cpu)


def test_a_server_is_compared_with_apollo() -> None:
    lines = gateway_report.table(
        16, {OURS: [run_of(OURS, 300, 0.5)], APOLLO: [run_of(APOLLO, 100, 0.5)]}
    )
    assert [line.split()[-2:] for line in lines.splitlines()] == [
        ["3.00", "3.00"],
        ["1.00", "1.00"],
    ]


def test_a_run_without_responses_is_left_out_of_the_table() -> None:
    runs = {
        OURS: [run_of(OURS, 0, 0.5)],
        APOLLO: [run_of(APOLLO, 100, 0.5), run_of(APOLLO, 0, 0.5)],
    }
    ours, apollo = gateway_report.table(64, runs).splitlines()
    assert ours.split()[-2:] == ["0.00", "nan"]
    assert apollo.split()[5] == "10.000"  # milliseconds of CPU time, of both runs
