"""schemathesis checks a running sandbox against the provider's contract and its own document."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sandbox.contract.callbacks import CALLBACK_PATH
from sandbox.contract.document import document
from sandbox.contract.routes import OPERATIONS
from sandbox.server import start
from sandbox.settings import Settings
from sandbox.switches import Switches
from tests.fixtures.examples import OWN, SETS
from tests.fixtures.patience import PATIENCE

HEADERS = {"X-API-Key": Settings().api_key}
# Enough to reach every branch of these small schemas within seconds.
EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
SETTINGS = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
# Most requests name existing things, the rest unknown ones.
AIMS = st.sampled_from([True, True, False])
BUNDLE = "esim_1GB_7D_GB_V2"


@dataclass(frozen=True)
class Target:
    url: str
    control_url: str

    def stocked(self) -> dict[str, Any]:
        """Buy an eSIM and inventory; returns names that requests can use."""
        self._control("/balance", {"set": 500})
        self._control("/clock/advance", {"days": 1})  # so that the card can be charged again
        self._order(5, assign=False)
        bought = self._order(1, assign=True)
        iccid = bought["order"][0]["iccids"][0]
        bundles = self._get(f"/esims/{iccid}/bundles/{BUNDLE}")
        inventory = self._get("/inventory")
        return {
            "iccid": iccid,
            "iccids": None,
            "item": BUNDLE,
            "name": BUNDLE,
            "bundle": BUNDLE,
            "quantity": 1,
            "repeat": None,
            "profileID": None,
            "from": None,
            "startTime": None,
            "suspend": True,
            "amount": 1000,
            "customerRef": "a reference",
            "usageId": inventory["bundles"][0]["available"][0]["id"],
            "reference": bought["orderReference"],
            "orderReference": bought["orderReference"],
            "assignmentId": bundles["assignments"][0]["id"],
            "offerId": bundles["assignments"][0]["id"],
        }

    def _control(self, path: str, body: Any) -> None:
        requests.post(self.control_url + path, json=body, timeout=PATIENCE).raise_for_status()

    def _order(self, quantity: int, *, assign: bool) -> Any:
        line: Any = {"type": "bundle", "quantity": quantity, "item": BUNDLE}
        body: Any = {"type": "transaction", "assign": assign, "order": [line]}
        answer = requests.post(f"{self.url}/orders", json=body, headers=HEADERS, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json()

    def _get(self, path: str) -> Any:
        return requests.get(self.url + path, headers=HEADERS, timeout=PATIENCE).json()


def aimed(value: Any, known: dict[str, Any]) -> Any:
    """Replace values of the generated request with known names; None removes a member."""
    if isinstance(value, list):
        return [aimed(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    hit = {key: known.get(key, aimed(item, known)) for key, item in value.items()}
    return {key: item for key, item in hit.items() if item is not None}


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A sandbox in a separate thread, as schemathesis is synchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    switches = Switches(tokens_per_second=0, refunds=True, consumption_billing=True)
    running = asyncio.run_coroutine_threadsafe(
        start(Settings(port=0, switches=switches)), loop
    ).result()
    try:
        yield Target(running.url, running.control_url)
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


SOURCES: dict[str, Callable[[], dict[str, Any]]] = {
    "sandbox": lambda: document("http://127.0.0.1/v2.5"),
    # The contract says nothing more: test_sandbox_document.py compares the two documents.
    **{examples.id: examples.contract for examples in SETS if examples is not OWN},
}


@pytest.fixture(scope="module", params=SOURCES)
def operations(request: pytest.FixtureRequest) -> dict[str, Any]:
    doc = SOURCES[request.param]()
    del doc["paths"][CALLBACK_PATH]
    # The provider ignores unknown query parameters, so they are not bad input.
    config = SchemathesisConfig.from_dict({"generation": {"allow-extra-parameters": False}})
    schema = schemathesis.openapi.from_dict(doc, config=config)
    found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # an error has no ok() and fails here, as it should
    return {operation.definition.raw["operationId"]: operation for operation in found}


@pytest.mark.parametrize("name", [operation.id for operation in OPERATIONS])
def test_responses_to_valid_input_match_the_contract(
    target: Target, operations: dict[str, Any], name: str
) -> None:
    known = target.stocked()
    statuses: set[int] = set()

    @SETTINGS
    @given(case=operations[name].as_strategy(GenerationMode.POSITIVE), aim=AIMS)
    def run(case: Any, aim: bool) -> None:
        if aim:
            case.path_parameters = aimed(case.path_parameters, known)
            case.query = aimed(case.query, known)
            case.body = aimed(case.body, known)
        answer = case.call(base_url=target.url, headers=HEADERS, timeout=PATIENCE)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    run()
    assert statuses & {200, 201}, f"nothing but refusals was checked: {statuses}"


@pytest.mark.parametrize(
    "name",
    [
        item.id
        for item in OPERATIONS
        if item.body or any(p.where == "query" for p in item.parameters)
    ],
)
def test_bad_input_is_refused(target: Target, operations: dict[str, Any], name: str) -> None:
    @SETTINGS
    @given(case=operations[name].as_strategy(GenerationMode.NEGATIVE, headers=HEADERS))
    def run(case: Any) -> None:
        answer = case.call(base_url=target.url, headers=HEADERS, timeout=PATIENCE)
        case.validate_response(answer, checks=[*CHECKS, negative_data_rejection])

    run()


def test_unsupported_methods_are_405(target: Target, operations: dict[str, Any]) -> None:
    @SETTINGS
    @given(case=operations["listCatalogue"].as_strategy(GenerationMode.POSITIVE))
    def run(case: Any) -> None:
        case.method = "PATCH"
        answer = case.call(base_url=target.url, headers=HEADERS, timeout=PATIENCE)
        assert answer.status_code == 405
        assert "GET" in str(answer.headers["allow"])
        case.validate_response(answer, checks=[not_a_server_error, unsupported_method])

    run()
