"""Handlers for install details of an order's eSIMs: CSV, JSON, or QR codes in a ZIP file."""

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import segno

from sandbox.api.call import Answer, Call
from sandbox.api.esims import install_urls
from sandbox.api.orders import smdp_address_of
from sandbox.contract.operation import CSV, JSON, ZIP
from sandbox.state.clock import written
from sandbox.state.ordering import activation_code
from sandbox.state.records import Esim, Order
from sandbox.state.refusal import Refusal, bad
from sandbox.state.world import World

# Pixels per module of a QR code: large enough for any phone's camera.
QR_SCALE = 6
# Files in the ZIP have a fixed time, so that equal orders give equal files.
ZIP_TIME = (2026, 1, 1, 0, 0, 0)
# Seconds of Retry-After while an order or its bundles are processing.
PROCESSING_RETRY = 1

Row = tuple[Esim, str, str]


def get_assignments(call: Call) -> Answer:
    """GET /esims/assignments."""
    rows = [row for reference in call.query["reference"] for row in _rows(call, reference)]
    with_urls = "additionalFields" in call.query
    wanted = call.accept.lower()
    if "application/zip" in wanted:
        return _zip(call, rows)
    if "application/json" in wanted:
        return _json(call, rows, with_urls=with_urls)
    return _csv(call, rows, with_urls=with_urls)


def get_qr_zip(call: Call) -> Answer:
    """GET /esims/qr/{reference}, deprecated."""
    return _zip(call, _rows(call, call.path["reference"]))


def get_csv(call: Call) -> Answer:
    """GET /esims/csv/{reference}, deprecated."""
    rows = _rows(call, call.path["reference"], deactivated=400)
    return _csv(call, rows, with_urls=bool(call.query.get("additionalFields")))


def _rows(call: Call, reference: str, deactivated: int = 410) -> list[Row]:
    order = call.world.orders.get(reference)
    if order is None:
        raise bad("no order or assignment has that reference")
    if order.pending_until is not None:
        raise Refusal(503, "Processing", retry_after=PROCESSING_RETRY)
    rows = [
        (esim, line.bundle or line.item, order.reference)
        for line in order.lines
        for iccid in line.iccids
        if (esim := call.world.esims.get(iccid)) is not None
    ]
    if not rows:
        raise bad("no eSIMs were assigned by that order")
    if any(esim.state == "deactivated" for esim, _, _ in rows):
        raise Refusal(deactivated, "eSIM has been deactivated")
    if call.world.switches.installs_wait and _processing(call.world, order):
        raise Refusal(503, "Processing", retry_after=PROCESSING_RETRY)
    return rows


def _processing(world: World, order: Order) -> bool:
    return any(
        item.state == "processing" and item.reference.startswith(f"{order.reference}-")
        for item in world.assignments
    )


def _json(call: Call, rows: Sequence[Row], *, with_urls: bool) -> Answer:
    content = [_details(call.world, row, with_urls=with_urls) for row in rows]
    several = len(content) > 1 and call.world.switches.assignments_shape == "array"
    return Answer(content if several else content[0], content_type=JSON)


def _details(world: World, row: Row, *, with_urls: bool) -> dict[str, Any]:
    esim, bundle, reference = row
    content = {
        "iccid": esim.iccid,
        "matchingId": esim.matching_id,
        world.switches.assignments_address: smdp_address_of(world, esim),
    }
    if world.switches.assignments_address == "rspUrl":
        return content | {"bundle": bundle, "reference": reference}
    content |= {"profileStatus": esim.profile_status, "pin": esim.pin, "puk": esim.puk}
    if esim.first_installed is not None:
        content["firstInstalledDateTime"] = written(esim.first_installed)
    return content | (install_urls(esim) if with_urls else {})


def _csv(call: Call, rows: Sequence[Row], *, with_urls: bool) -> Answer:
    text = _table(call.world, rows, with_urls=with_urls)
    return Answer(text, content_type=CSV)


def _table(world: World, rows: Sequence[Row], *, with_urls: bool) -> str:
    quoted = world.switches.csv_form == "quoted"
    head = ["ICCID", "Matching ID", "RSP URL", "Bundle"]
    head += [] if quoted else ["Reference"]
    head += ["Apple Install URL", "Android Install URL"] if with_urls else []
    written_to = io.StringIO()
    writer = csv.writer(
        written_to, quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL, lineterminator="\n"
    )
    writer.writerow(head)
    for esim, bundle, reference in rows:
        row = [esim.iccid, esim.matching_id, smdp_address_of(world, esim), bundle]
        row += [] if quoted else [reference]
        row += list(install_urls(esim).values()) if with_urls else []
        writer.writerow(row)
    return written_to.getvalue()


def _zip(call: Call, rows: Sequence[Row]) -> Answer:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for esim in dict.fromkeys(row[0] for row in rows):
            picture = io.BytesIO()
            segno.make(activation_code(esim), error="m").save(picture, kind="png", scale=QR_SCALE)
            archive.writestr(zipfile.ZipInfo(f"{esim.iccid}.png", ZIP_TIME), picture.getvalue())
        table = _table(call.world, rows, with_urls=False)
        archive.writestr(zipfile.ZipInfo("esims.csv", ZIP_TIME), table)
    return Answer(packed.getvalue(), content_type=ZIP)
