"""An eSIM over HTTP, from its purchase to its end."""

import csv
import io
import zipfile

import pytest
import zxingcpp
from PIL import Image

from tests.component.sandbox.conftest import BUNDLE, Client, Play

ABROAD = "esim_1GB_7D_JP_V2"


async def test_a_purchase_appears_in_every_endpoint(client: Client) -> None:
    order = await client.buy(2)
    reference, iccids = order["orderReference"], order["order"][0]["iccids"]
    assert order["runningBalance"] == "9997.26"
    assert len(order["createdDate"]) == len("2026-02-02T10:15:03.418220951Z")
    assert await client.get(f"/orders/{reference}") == order
    [row] = await client.get("/orders?includeIccids=true")
    assert row == order
    [bare] = await client.get("/orders")
    assert "iccids" not in bare["order"][0]
    listed = (await client.get("/esims"))["esims"]
    assert [item["iccid"] for item in listed] == iccids
    assert {item["lastAction"] for item in listed} == {"Bundle Applied"}
    assert (await client.get("/organisation"))["balance"] == 9997.26


async def test_validating_charges_nothing_and_returns_no_reference(client: Client) -> None:
    line = {"type": "bundle", "quantity": 1, "item": BUNDLE}
    body = {"type": "validate", "assign": True, "order": [line]}
    reply = await client.call("POST", "/orders", body)
    assert (reply.json["valid"], reply.json["total"]) == (True, 1.37)
    assert not {"orderReference", "status"} & set(reply.json)
    assert await client.get("/orders") == []


async def test_orders_are_listed_newest_first_by_time_and_page(client: Client) -> None:
    await client.control("clock/freeze", {})
    references = []
    for _ in range(3):
        references.append((await client.buy())["orderReference"])
        await client.control("clock/advance", {"hours": 1})
    now = (await client.control("state"))["clock"]["now"]
    shown = await client.get("/orders?limit=2")
    assert [item["orderReference"] for item in shown] == references[:0:-1]
    assert len(await client.get("/orders?limit=2&page=2")) == 1
    assert await client.get("/orders?limit=2&page=3") == []
    middle = shown[1]["createdDate"]
    at_once = await client.get(f"/orders?createdAt=gte:{middle}&createdAt=lte:{middle}")
    assert [item["orderReference"] for item in at_once] == [references[1]]
    assert await client.get(f"/orders?createdAt=gte:{now}") == []
    assert (await client.call("GET", "/orders?createdAt=since:yesterday")).status == 400


async def test_install_details_are_available_as_csv_json_and_qr_codes(client: Client) -> None:
    order = await client.buy(2)
    path = f"/esims/assignments?reference={order['orderReference']}"
    esims = order["order"][0]["esims"]

    text = (await client.call("GET", path)).raw.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Matching ID"] for row in rows] == [esim["matchingId"] for esim in esims]
    assert rows[0]["Reference"] == order["orderReference"]

    shown = await client.get(
        f"{path}&additionalFields=installUrl", headers={"Accept": "application/json"}
    )
    code = f"LPA:1${esims[0]['smdpAddress']}${esims[0]['matchingId']}"
    assert shown[0]["appleInstallUrl"].endswith(f"carddata={code}")

    packed = (await client.call("GET", path, headers={"Accept": "application/zip"})).raw
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        picture = Image.open(io.BytesIO(archive.read(f"{esims[0]['iccid']}.png")))
        assert "esims.csv" in archive.namelist()
    [found] = zxingcpp.read_barcodes(picture)
    assert found.text == code
    old = await client.call("GET", f"/esims/qr/{order['orderReference']}")
    assert old.raw == packed


async def test_install_details_may_be_an_object_or_an_array(play: Play) -> None:
    client = await play(assignments_shape="object", assignments_address="rspUrl")
    accept = {"Accept": "application/json"}
    one, two = await client.buy(), await client.buy(2)
    for order in (one, two):
        path = f"/esims/assignments?reference={order['orderReference']}"
        shown = await client.get(path, headers=accept)
        assert set(shown) == {"iccid", "matchingId", "rspUrl", "bundle", "reference"}
    await client.control("switches", {"assignments_shape": "array"})
    both = f"reference={one['orderReference']}&reference={two['orderReference']}"
    assert len(await client.get(f"/esims/assignments?{both}", headers=accept)) == 3


async def test_a_large_order_is_processing_and_then_completed(client: Client) -> None:
    await client.control("clock/freeze", {})
    order = await client.buy(6)
    assert (order["status"], order["order"][0]["iccids"]) == ("processing", [])
    path = f"/esims/assignments?reference={order['orderReference']}"
    reply = await client.call("GET", path)
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    await client.control("clock/advance", {"seconds": 2})
    done = await client.get(f"/orders/{order['orderReference']}")
    assert (done["status"], len(done["order"][0]["iccids"])) == ("completed", 6)
    assert (await client.call("GET", path)).status == 200


async def test_used_data_appears_in_every_endpoint(client: Client) -> None:
    iccid = await client.esim()
    used = await client.control(f"esims/{iccid}/use-data", {"megabytes": 850, "country": "GB"})
    assert used["served"] == 850_000_000
    [assignment] = (await client.get(f"/esims/{iccid}/bundles/{BUNDLE}"))["assignments"]
    assert assignment["remainingQuantity"] == 150_000_000
    assert assignment["bundleState"] == "active"
    details = await client.get(f"/esims/{iccid}")
    assert details["profileStatus"] == "Installed"
    assert details["firstInstalledDateTime"] > 1_700_000_000_000
    location = await client.get(f"/esims/{iccid}/location")
    assert (location["country"], location["mobileNetworkCode"]) == ("GB", "GBRME")
    history = await client.get(f"/esims/{iccid}/history")
    assert [item["name"] for item in history] == [
        *["eSIM Utilisation Alert"] * 3,
        "eSIM First Use",
        "eSIM First Attachment",
        "Bundle Applied",
    ]


async def test_used_bundles_are_listed_on_request_only(client: Client) -> None:
    iccid = await client.esim()
    await client.control(f"esims/{iccid}/use-data", {"megabytes": 1000})
    assert (await client.get(f"/esims/{iccid}/bundles"))["bundles"] == []
    shown = (await client.get(f"/esims/{iccid}/bundles?includeUsed=true"))["bundles"]
    assert [item["assignments"][0]["bundleState"] for item in shown] == ["depleted"]


async def test_the_limit_counts_assignments(client: Client) -> None:
    iccid = await client.esim()
    for _ in range(3):
        await client.buy(iccids=[iccid])
    [bundle] = (await client.get(f"/esims/{iccid}/bundles?limit=2"))["bundles"]
    assert len(bundle["assignments"]) == 2


async def test_an_esim_is_suspended_and_restored(client: Client) -> None:
    iccid = await client.esim()
    path = f"/esims/{iccid}/suspend"
    done = await client.call("POST", path, {"suspend": True})
    assert (done.status, done.json) == (201, {"status": "eSIM suspended successfully"})
    assert await client.get(path) == {"suspended": True}
    assert (await client.get(f"/esims/{iccid}"))["state"] == "suspended"
    assert (await client.call("POST", path, {"suspend": True})).status == 400
    await client.refused(f"esims/{iccid}/use-data", {"bytes": 1}, status=409)
    assert (await client.call("POST", path, {"suspend": False})).status == 201
    assert (await client.call("POST", path, {"suspend": False})).status == 400


async def test_a_suspension_by_policy_cannot_be_lifted_through_the_api(client: Client) -> None:
    iccid = await client.esim()
    await client.control(f"esims/{iccid}/policy-suspend", {})
    reply = await client.call("POST", f"/esims/{iccid}/suspend", {"suspend": False})
    assert reply.status == 403
    await client.control(f"esims/{iccid}/policy-lift", {})
    assert await client.get(f"/esims/{iccid}/suspend") == {"suspended": False}


async def test_the_customer_reference_is_set_by_query_or_body_or_both(client: Client) -> None:
    iccid = await client.esim()
    query = f"/esims?iccid={iccid}&customerRef=first"
    assert (await client.call("PUT", query)).json == {"status": "success"}
    body = {"iccid": iccid, "customerRef": "Second"}
    assert (await client.call("PUT", "/esims", body)).status == 200
    assert (await client.get(f"/esims/{iccid}"))["customerRef"] == "Second"
    assert (await client.call("PUT", query, body)).status == 400
    assert (await client.call("PUT", "/esims")).status == 400
    for wanted, found in (("eco", 1), ("eq:Second", 1), ("eq:eco", 0)):
        shown = await client.get(f"/esims?filterBy=customerRef&filter={wanted}")
        assert shown["rows"] == found


async def test_pages_of_esims_have_the_published_sizes(client: Client) -> None:
    for _ in range(3):
        await client.buy(5)
    shown = await client.get("/esims?perPage=10&page=2&orderBy=iccid&direction=desc")
    assert (len(shown["esims"]), shown["pageCount"], shown["rows"]) == (5, 2, 15)
    assert (await client.call("GET", "/esims?perPage=20")).status == 400


async def test_inventory_bundles_are_applied_and_listed_as_orders(client: Client) -> None:
    await client.buy(4, assign=False)
    [stock] = (await client.get("/inventory"))["bundles"]
    assert stock["available"][0]["remaining"] == 4
    one = (await client.call("POST", "/esims/apply", {"name": BUNDLE})).json
    iccid = one["esims"][0]["iccid"]
    body = {"name": BUNDLE, "iccid": iccid}
    two = (await client.call("POST", "/esims/apply", body)).json
    assert two["esims"] == [{"iccid": iccid, "status": "ACTIVE", "bundle": BUNDLE}]
    assert (await client.call("POST", f"/esims/{iccid}/bundles", {"name": BUNDLE})).status == 200
    rows = await client.get("/orders")
    assert [row["order"][0]["type"] for row in rows] == ["bundleAssignment"] * 3 + ["bundle"]
    assert rows[0]["order"][0]["item"] == f"{rows[0]['orderReference']}-0"
    [stock] = (await client.get("/inventory"))["bundles"]
    assert stock["available"][0]["remaining"] == 1
    assert (await client.call("POST", "/esims/apply", {"name": ABROAD})).status == 403
    accept = {"Accept": "application/json"}
    path = f"/esims/assignments?reference={one['applyReference']}"
    assert (await client.get(path, headers=accept))["iccid"] == iccid


@pytest.mark.parametrize(
    "body",
    [
        {"name": BUNDLE, "bundles": [{"name": BUNDLE}]},
        {"name": BUNDLE, "iccid": "ESIM", "repeat": 1},
        {"bundles": [{"name": BUNDLE, "iccid": "ESIM"}]},
        {"bundles": []},
        {"name": ABROAD, "iccid": "ESIM"},
    ],
)
async def test_contradictory_apply_requests_are_refused(
    client: Client, body: dict[str, object]
) -> None:
    iccid = await client.esim()
    await client.buy(2, assign=False)
    await client.buy(2, assign=False, item=ABROAD)
    meant = {**body, **({"iccid": iccid} if "iccid" in body else {})}
    assert (await client.call("POST", "/esims/apply", meant)).status == 400


async def test_a_revoked_bundle_is_refunded_if_refunds_are_on(play: Play) -> None:
    client = await play(refunds=True)
    iccid = await client.esim()
    [assignment] = (await client.get(f"/esims/{iccid}/bundles/{BUNDLE}"))["assignments"]
    path = f"/esims/{iccid}/bundles/{BUNDLE}"
    assert (await client.call("DELETE", f"{path}?refundToBalance=true")).status == 400
    query = f"?refundToBalance=true&offerId={assignment['id']}"
    dry = await client.call("DELETE", f"{path}{query}&type=validate")
    assert dry.json["status"] == "Bundle can be revoked, bundle would be refunded to balance"
    done = await client.call("DELETE", path + query)
    assert done.json["status"] == "Successfully Revoked Bundle, bundle has been refunded to balance"
    assert (await client.get("/organisation"))["balance"] == 10_000
    twice = await client.call("DELETE", f"{path}/assignments/{assignment['id']}")
    assert twice.status == 400


async def test_messages_to_suspended_esims_fail(client: Client) -> None:
    iccid = await client.esim()
    path = f"/esims/{iccid}/sms"
    assert (await client.call("POST", path, {"message": "Hello"})).json == {"status": "sent"}
    assert (await client.call("POST", path, {"message": "x" * 161})).status == 400
    assert (await client.call("POST", path, {"message": "x", "from": "Bank"})).status == 403
    await client.control(f"esims/{iccid}/policy-suspend", {})
    assert (await client.call("POST", path, {"message": "Hello"})).json == {"status": "failed"}
    [failed] = (await client.control("deliveries"))["deliveries"]
    assert failed["type"] == "SMSFailed"


@pytest.mark.parametrize("kept", [False, True])
async def test_a_deleted_esim_is_not_found_or_deactivated(play: Play, kept: bool) -> None:
    client = await play(deleted_esims="deactivated" if kept else "removed")
    order = await client.buy()
    iccid = order["order"][0]["iccids"][0]
    assert (await client.call("DELETE", f"/esims/{iccid}")).status == 200
    reply = await client.call("GET", f"/esims/{iccid}")
    if not kept:
        assert reply.status == 403
        assert (await client.get("/esims"))["esims"] == []
        assert (await client.get(f"/orders/{order['orderReference']}"))["status"] == "completed"
        return
    assert (reply.json["state"], reply.json["profileStatus"]) == ("deactivated", "Deactivated")
    assert (await client.call("GET", f"/esims/{iccid}/refresh")).status == 400
    gone = await client.call("GET", f"/esims/assignments?reference={order['orderReference']}")
    assert (gone.status, gone.json) == (410, {"message": "eSIM has been deactivated"})


async def test_compatibility_depends_on_the_profile(client: Client) -> None:
    iccid = await client.esim()
    for bundle, fits in ((BUNDLE, True), ("esim_1GB_7D_REUP_V2", True), (ABROAD, False)):
        shown = await client.get(f"/esims/{iccid}/compatible/{bundle}")
        assert shown == {"compatible": fits}


@pytest.mark.parametrize(("status", "expected"), [(403, 403), (400, 400)])
async def test_a_foreign_iccid_is_refused(play: Play, status: int, expected: int) -> None:
    client = await play(unknown_iccid=status)
    reply = await client.call("GET", "/esims/8943108170000000001")
    assert reply.status == expected
    assert (await client.call("GET", "/esims/not-a-number")).status == 400
