"""Customer operations through the gateway on the real services, and the SQL statements they cause."""

import base64
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from tests.fixtures.gateway import Client
from tests.fixtures.patience import until
from tests.fixtures.platform import BUNDLE, Platform
from tests.fixtures.postgres import Databases


async def test_a_customer_buys_a_plan_and_suspends_and_restores_its_esim(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    order = await platform.buy(ann)
    (esim,) = order["esims"]
    picture = base64.b64decode(esim["qrCode"].partition(",")[2])
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    assert code.text == esim["activationCode"]
    assert code.text.startswith("LPA:1$")

    for act, body in (("install", {}), ("use-data", {"megabytes": 250, "country": "GB"})):
        await platform.provider.control("POST", f"/esims/{esim['iccid']}/{act}", body)
    answer = await ann.ask(
        """query($id: ID!) { esimDetails(id: $id) { status plan { name } order { id }
             bundles { name state dataUsed dataRemaining }
             usage { totalUsed totalRemaining activeBundles } } }""",
        id=esim["id"],
    )
    assert answer.data["esimDetails"] == {
        "status": "ACTIVE",
        "plan": {"name": BUNDLE},
        "order": {"id": order["id"]},
        "bundles": [{"name": BUNDLE, "state": "ACTIVE", "dataUsed": 250.0, "dataRemaining": 750.0}],
        "usage": {"totalUsed": 250.0, "totalRemaining": 750.0, "activeBundles": 1},
    }

    for mutation, status in (("suspendESIM", "SUSPENDED"), ("restoreESIM", "ACTIVE")):
        answer = await ann.ask(
            f"mutation($id: ID!) {{ {mutation}(esimId: $id) {{ success error esim {{ status }} }} }}",
            id=esim["id"],
        )
        assert answer.data[mutation] == {"success": True, "error": None, "esim": {"status": status}}
    answer = await ann.ask(
        """mutation($id: ID!) { updateESIMReference(esimId: $id, reference: "trip") {
             success esim { customerRef } } }""",
        id=esim["id"],
    )
    assert answer.data["updateESIMReference"] == {"success": True, "esim": {"customerRef": "trip"}}


@pytest.mark.parametrize("operation", ["esimDetails", "orderDetails"])
async def test_a_malformed_id_is_reported_with_the_name_of_its_argument(
    platform: Platform, operation: str
) -> None:
    ann = await platform.customer("ann@example.com")
    answer = await ann.ask(f'{{ {operation}(id: "1") {{ id }} }}')
    (error,) = answer.body["errors"]
    assert list(error["extensions"]["fields"]) == ["id"]
    assert error["message"].startswith("id: ")


async def test_an_unused_order_is_cancelled_and_a_used_one_is_not(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    cancel = """mutation($id: ID!) { cancelOrder(orderId: $id) {
        success code error order { status } revoked { iccid refund } } }"""
    unused, used = await platform.buy(ann), await platform.buy(ann)
    iccid = used["esims"][0]["iccid"]
    await platform.provider.control("POST", f"/esims/{iccid}/install")
    await platform.provider.control(
        "POST", f"/esims/{iccid}/use-data", {"megabytes": 1, "country": "GB"}
    )

    cancelled = (await ann.ask(cancel, id=unused["id"])).data["cancelOrder"]
    assert cancelled["success"], cancelled
    assert cancelled["order"]["status"] in ("CANCELLED", "REFUNDED")
    assert [r["iccid"] for r in cancelled["revoked"]] == [unused["esims"][0]["iccid"]]
    refused = (await ann.ask(cancel, id=used["id"])).data["cancelOrder"]
    assert (refused["success"], refused["code"]) == (False, "ORDER_IN_USE")


async def test_a_customer_never_reaches_another_customers_data(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    bob = await platform.customer("bob@example.com")
    order = await platform.buy(ann)
    ids = {"order": order["id"], "esim": order["esims"][0]["id"]}
    answer = await bob.ask("{ myESIMs { id } myOrders { id } }")
    assert answer.data == {"myESIMs": [], "myOrders": []}
    answer = await bob.ask(
        """query($order: ID!, $esim: ID!, $r: [_Any!]!) {
             orderDetails(id: $order) { id } esimDetails(id: $esim) { id }
             _entities(representations: $r) { __typename } }""",
        **ids,
        r=[{"__typename": "Order", "id": ids["order"]}, {"__typename": "ESIM", "id": ids["esim"]}],
    )
    assert answer.body["data"] == {
        "orderDetails": None,
        "esimDetails": None,
        "_entities": [None, None],
    }
    answer = await bob.ask(
        """mutation($order: ID!, $esim: ID!) {
             cancelOrder(orderId: $order) { success code }
             suspendESIM(esimId: $esim) { success code }
             restoreESIM(esimId: $esim) { success code }
             updateESIMReference(esimId: $esim, reference: "mine") { success code } }""",
        **ids,
    )
    assert answer.data == {
        "cancelOrder": {"success": False, "code": "ORDER_NOT_FOUND"},
        "suspendESIM": {"success": False, "code": "ESIM_NOT_FOUND"},
        "restoreESIM": {"success": False, "code": "ESIM_NOT_FOUND"},
        "updateESIMReference": {"success": False, "code": "ESIM_NOT_FOUND"},
    }


async def test_an_invalid_purchase_is_refused_and_not_recorded(
    platform: Platform,
) -> None:
    ann = await platform.customer("ann@example.com")
    plans = await ann.ask("{ featuredPlans(first: 1) { id } }")
    senseless: list[tuple[dict[str, Any], str]] = [
        ({"id": "00000000-0000-5000-8000-000000000001"}, "PLAN_NOT_FOUND"),
        ({"id": "not an id"}, "INVALID_ARGUMENT"),
        ({"input": {"quantity": 0}}, "INVALID_ARGUMENT"),
        ({"input": {"quantity": 11}}, "INVALID_ARGUMENT"),
        ({"input": {"customerReference": "x" * 101}}, "INVALID_ARGUMENT"),
        ({"input": {"customerReference": "a\u0000b"}}, "INVALID_ARGUMENT"),
        ({"input": {"idempotencyKey": "ä"}}, "INVALID_ARGUMENT"),
    ]
    for variables, code in senseless:
        answer = await ann.ask(
            """mutation($id: ID!, $input: PurchaseInput) {
                 purchaseESIM(planId: $id, input: $input) { success code error order { id } } }""",
            **{"id": plans.data["featuredPlans"][0]["id"], **variables},
        )
        result = answer.data["purchaseESIM"]
        assert (result["success"], result["code"], result["order"]) == (False, code, None)
        assert result["error"]
    assert (await ann.ask("{ myOrders { id } }")).data == {"myOrders": []}


async def test_an_invalid_query_is_bad_input_or_not_found(platform: Platform) -> None:
    ann = await platform.customer("ann@example.com")
    for query in (
        "{ dataPlans(filter: {maxPrice: -1}) { id } }",
        '{ dataPlans(filter: {country: "Atlantis"}) { id } }',
        '{ dataPlans(filter: {region: "Atlantis"}) { id } }',
        "{ dataPlans(filter: {duration: -7}) { id } }",
        '{ dataPlan(id: "x") { id } }',
        '{ esimDetails(id: "x") { id } }',
        '{ orderDetails(id: "x") { id } }',
        '{ dataPlans(filter: {text: "a\\u0000b"}) { id } }',
        '{ dataPlans(filter: {country: "a\\u0000b"}) { id } }',
        '{ dataPlans(filter: {bundleGroup: "a\\u0000b"}) { id } }',
    ):
        answer = await ann.ask(query)
        assert answer.status == 200, query
        assert answer.code in ("BAD_USER_INPUT", "NOT_FOUND"), query


# Names of prepared statements differ between connections.
PREPARED = re.compile(r"__asyncpg_\w+__")
OF_CUSTOMER = re.compile(r"statement: begin.*set local role \w+_user;")


class StatementLog:
    """The statements of one test's database, from the log of PostgreSQL."""

    def __init__(self, file: Path, database: str) -> None:
        self._file = file
        self._line = re.compile(rf"{database} (?P<pid>\d+) LOG:  (?P<text>.*)")
        self._read = file.stat().st_size

    def of_customers(self) -> list[str]:
        """Return the statements of customer sessions since the last call, without background work."""
        with self._file.open("rb") as log:
            log.seek(self._read)
            news = log.read()
        self._read += len(news)
        customers: set[str] = set()
        found = []
        for match in filter(None, map(self._line.match, news.decode().splitlines())):
            pid, text = match["pid"], match["text"]
            if OF_CUSTOMER.search(text):
                customers.add(pid)
            elif pid in customers and text.startswith(("execute", "statement")):
                found.append(PREPARED.sub("", text))
            if text == "statement: commit":
                customers.discard(pid)
        return found


@pytest.fixture
async def statements(databases: Databases) -> StatementLog:
    admin = databases.admin
    await admin.execute(f"alter database {databases.name} set log_statement = 'all'")
    await admin.execute("alter system set log_line_prefix = '%d %p '")
    await admin.execute("select pg_reload_conf()")
    return StatementLog(Path(await admin.fetchval("show data_directory")) / "log", databases.name)


LOOK = """{ myESIMs { iccid plan { name } order { status } bundles { state }
    usage { totalRemaining } } }"""


async def test_statements_do_not_grow_with_the_number_of_esims(
    statements: StatementLog, platform: Platform
) -> None:
    customers = {2: "ann@example.com", 50: "bob@example.com"}
    counts = {}
    for number, email in customers.items():
        customer = await platform.customer(email)
        for _ in range(max(1, number // 5)):
            await platform.buy(customer, quantity=min(number, 5))

        async def complete(customer: Client = customer, number: int = number) -> bool:
            """True once all bundles are read; a request waits for the provider only for a while."""
            esims = (await customer.ask(LOOK)).data["myESIMs"]
            assert len(esims) == number
            assert all(esim["plan"] and esim["order"] for esim in esims)
            return all(len(esim["bundles"]) == 1 and esim["usage"] for esim in esims)

        await until(complete)
        looks = []
        for _ in range(3):
            statements.of_customers()
            assert await complete()
            looks.append(Counter(statements.of_customers()))
        # Work left over from the previous read can only add statements to one of them.
        counts[number] = min(looks, key=Counter.total)
    assert counts[2].total() > 4
    assert counts[50] == counts[2]
