"""Checks requests to the batches service. Faults of a row are collected beside it; others raise a Failure."""

import hashlib
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import Message

from kit.errors import invalid
from kit.values import money, page_token
from kit.values.checks import Checks
from protos.orders.v1 import batches_pb2 as pb
from services.orders.batches.batch import (
    MAX_ESIMS,
    MAX_ITEMS,
    MAX_NAME,
    Batch,
    BatchRequest,
    ErrorPolicy,
    ItemStatus,
    Problem,
    Row,
)
from services.orders.coupons.requests import given_currency
from services.orders.order import MAX_KEY, MAX_QUANTITY, MAX_REFERENCE
from services.orders.provider.provider_order import MAX_MONEY
from services.orders.traveler import Traveler

POLICIES = {
    pb.BATCH_ERROR_POLICY_UNSPECIFIED: ErrorPolicy.SKIP_FAILED,
    pb.BATCH_ERROR_POLICY_REJECT_ALL: ErrorPolicy.REJECT_ALL,
    pb.BATCH_ERROR_POLICY_SKIP_FAILED: ErrorPolicy.SKIP_FAILED,
    pb.BATCH_ERROR_POLICY_STOP_ON_FAILURE: ErrorPolicy.STOP_ON_FAILURE,
}
ITEM_STATUSES = {
    pb.BATCH_ITEM_STATUS_PENDING: ItemStatus.PENDING,
    pb.BATCH_ITEM_STATUS_PROCESSING: ItemStatus.PROCESSING,
    pb.BATCH_ITEM_STATUS_DELIVERED: ItemStatus.DELIVERED,
    pb.BATCH_ITEM_STATUS_FAILED: ItemStatus.FAILED,
    pb.BATCH_ITEM_STATUS_CANCELLED: ItemStatus.CANCELLED,
}
# Machine-readable reason of a field that is malformed.
INVALID = "INVALID"
MAX_EMAIL = 320
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
# How far ahead a batch can be planned. Prices rarely hold for longer.
FURTHEST = timedelta(days=90)
DEFAULT_PAGE, MAX_PAGE = 20, 100
DEFAULT_ITEMS = 100
DEFAULT_ESIMS, MAX_ESIM_PAGE = 100, 500

Known = TypeVar("Known")


def batch(given: pb.BatchInput, now: datetime) -> BatchRequest:
    """Check a batch and its rows; raises Failure INVALID for the batch itself, not for its rows."""
    checks = Checks()
    if not given.items:
        checks.fail("batch.items", "must contain at least one row")
    if len(given.items) > MAX_ITEMS:
        checks.fail(
            "batch.items",
            f"must contain at most {MAX_ITEMS} rows, not {len(given.items)}: split the list",
        )
    rows = [_row(position, item) for position, item in enumerate(given.items, 1)]
    esims = sum(row.quantity for row in rows)
    if esims > MAX_ESIMS:
        checks.fail("batch.items", f"must have at most {MAX_ESIMS} eSIMs together, not {esims}")
    if given.group_id and not given.organization_id:
        checks.fail("batch.group_id", "requires `organization_id`")
    policy = POLICIES.get(given.error_policy)
    if policy is None:
        checks.fail("batch.error_policy", "must be one of the named policies")
    not_before = (
        checks.moment("batch.not_before", given.not_before)
        if given.HasField("not_before")
        else None
    )
    if not_before is not None and not_before > now + FURTHEST:
        checks.fail("batch.not_before", f"must be at most {FURTHEST.days} days ahead")
    found = BatchRequest(
        organization_id=checks.optional_uuid("batch.organization_id", given.organization_id),
        group_id=checks.optional_uuid("batch.group_id", given.group_id),
        name=checks.free_text("batch.name", given.name, MAX_NAME),
        rows=rows,
        policy=policy or ErrorPolicy.SKIP_FAILED,
        max_total=_max_total(checks, given),
        max_currency=given.max_total.currency_code,
        not_before=not_before,
        currency=given_currency(checks, given.currency),
        fingerprint=hashlib.sha256(given.SerializeToString(deterministic=True)).digest(),
    )
    checks.done()
    return found


def key(text: str) -> str:
    """Check an idempotency key; raises Failure INVALID."""
    if not text:
        raise invalid(
            {"idempotency_key": "is required, so that a repeated call buys only once: send a UUID"}
        )
    if len(text) > MAX_KEY or not all("!" <= character <= "~" for character in text):
        raise invalid(
            {
                "idempotency_key": f"must be at most {MAX_KEY} visible ASCII characters without spaces"
            }
        )
    return text


def _max_total(checks: Checks, given: pb.BatchInput) -> Decimal | None:
    if not given.HasField("max_total"):
        return None
    most = money.from_proto(given.max_total)
    if not 0 <= most < MAX_MONEY:
        checks.fail("batch.max_total", "must be an amount of money, 0 or more")
    return most


def _row(position: int, given: pb.BatchItemInput) -> Row:
    checks = Checks()
    quantity = given.quantity or 1
    if not 1 <= quantity <= MAX_QUANTITY:
        checks.fail(
            "quantity", f"must be from 1 to {MAX_QUANTITY}, not {quantity}: use several rows"
        )
        quantity = 0
    if not given.plan_id:
        checks.fail("plan_id", "is required: choose a plan of the catalogue")
    plan_id = _known(checks, "plan_id", given.plan_id)
    esim_id = _known(checks, "esim_id", given.esim_id)
    traveler = _traveler(checks, given.traveler) if given.HasField("traveler") else None
    if given.esim_id and given.quantity > 1:
        checks.fail("quantity", "must be 1 if an existing eSIM is given")
    if given.esim_id and traveler is not None:
        checks.fail(
            "traveler", "must be absent if an existing eSIM is given, which has its traveler"
        )
    reference = _text(checks, "reference", given.reference, MAX_REFERENCE)
    problems = [Problem(field, INVALID, text) for field, text in checks.problems.items()]
    return Row(position, plan_id, quantity, esim_id, traveler, reference, problems)


def _traveler(checks: Checks, given: pb.BatchTraveler) -> Traveler | None:
    name = _text(checks, "traveler.name", given.name, MAX_NAME)
    email = _text(checks, "traveler.email", given.email, MAX_EMAIL)
    if email and not EMAIL.fullmatch(email):
        checks.fail("traveler.email", "must be an e-mail address")
    user_id = _known(checks, "traveler.user_id", given.user_id)
    if not (given.name.strip() or given.email.strip()):
        checks.fail("traveler", "must have a name or an e-mail address")
        return None
    return Traveler(name, email, user_id)


def _known(checks: Checks, field: str, text: str) -> UUID | None:
    """Return an id; None if it is empty or malformed, which fails the field."""
    if not text:
        return None
    checked = checks.uuid(field, text)
    return None if field in checks.problems else checked


def _text(checks: Checks, field: str, text: str, most: int) -> str:
    """Return a text; empty if it is invalid, because the row is stored nevertheless."""
    checked = checks.free_text(field, text, most)
    return "" if field in checks.problems else checked


def listing(
    request: pb.ListBatchesRequest,
) -> tuple[UUID | None, int, tuple[datetime, UUID] | None]:
    """Return the organization, the page size and the position after which the page begins."""
    checks = Checks()
    organization_id = checks.optional_uuid("organization_id", request.organization_id)
    size = checks.page_size(request.page_size, DEFAULT_PAGE, MAX_PAGE)
    checks.done()
    bare = page_token.without(request, "with_row_tokens")
    return organization_id, size, page_token.read_position(bare, request.page_token)


def next_page(request: pb.ListBatchesRequest, last: Batch) -> str:
    bare = page_token.without(request, "with_row_tokens")
    return page_token.write_position(bare, last.created_at, last.id)


def items(request: pb.ListBatchItemsRequest) -> tuple[UUID, list[str], int, int]:
    """Return the batch, the statuses, the position before the page, and its size."""
    checks = Checks()
    batch_id = checks.uuid("batch_id", request.batch_id)
    for index, status in enumerate(request.statuses):
        if status not in ITEM_STATUSES:
            checks.fail(f"statuses[{index}]", "must be one of the named statuses")
    after = checks.between("after_position", request.after_position, 0, MAX_ITEMS)
    size = checks.page_size(request.page_size, DEFAULT_ITEMS, MAX_ITEMS)
    checks.done()
    return batch_id, [str(ITEM_STATUSES[status]) for status in request.statuses], after, size


def esims(request: pb.ListBatchESIMsRequest) -> tuple[UUID, int, tuple[int, str]]:
    """Return the batch, the page size, and the position and ICCID after which the page begins."""
    checks = Checks()
    batch_id = checks.uuid("batch_id", request.batch_id)
    size = checks.page_size(request.page_size, DEFAULT_ESIMS, MAX_ESIM_PAGE)
    checks.done()
    found = page_token.read(request, request.page_token, 2)
    if found is None:
        return batch_id, size, (0, "")
    if not (found[0].isascii() and found[0].isdigit() and len(found[0]) <= len(str(MAX_ITEMS))):
        raise invalid(
            {"page_token": "is malformed; send next_page_token exactly as it was returned"},
            reason="INVALID_PAGE_TOKEN",
        )
    return batch_id, size, (int(found[0]), found[1])


def next_esims(request: Message, position: int, iccid: str) -> str:
    return page_token.write(request, [str(position), iccid])
