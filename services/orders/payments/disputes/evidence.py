"""Gathers what card networks ask for in a dispute about digital goods, in the fields of Stripe's form."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from kit.db.database import Database
from kit.errors import Failure
from kit.values import timestamps
from protos.esims.v1 import esims_pb2
from services.orders import store as order_rows
from services.orders.listing import timeline_store
from services.orders.order import Order
from services.orders.payment import Payment, Refund
from services.orders.payments import order_store, store
from services.orders.payments.decide import without_payment
from services.orders.payments.disputes import store as disputes
from services.orders.payments.disputes.store import Dispute
from services.orders.payments.policy import RefundPolicy
from services.orders.peers import ESIMs

# Stripe takes 150,000 characters for all texts together.
MAX_TEXT = 20_000
NOT_READ = "The use of the eSIMs could not be read; ask for the evidence again later."


class Evidence:
    """Reads the evidence of an order from the database, and from the esims service."""

    def __init__(self, database: Database, esims: ESIMs) -> None:
        self._database = database
        self._esims = esims

    async def gather(self, order_id: UUID) -> tuple[Sequence[Dispute], list[tuple[str, str]]]:
        """Return the disputes of an order, and the fields and texts of their evidence.

        Raises Failure NOT_FOUND (ORDER_NOT_FOUND) and REFUSED (ORDER_WITHOUT_PAYMENT). Without the esims
        service the evidence is incomplete, and says so.
        """
        async with self._database.system() as connection:
            await order_store.standing(connection, order_id)  # raises if there is no such order
            [order] = await order_rows.get(connection, [order_id])
            payment = await store.of_order(connection, order_id)
            if payment is None:
                raise without_payment()
            steps = await timeline_store.list_entries(connection, [order_id])
            attached = await store.attached(connection, [payment.id])
            found = await disputes.of_payment(connection, payment.id)
        activity = [f"{_at(payment.created_at)} The order was placed{_from(payment)}."]
        activity += [f"{_at(step.at)} {step.message}" for step in steps]
        try:
            activity += await self._use(order)
        except Failure:
            activity.append(NOT_READ)
        items = [
            ("product_description", _product(order)),
            ("customer_purchase_ip", payment.client_address),
            ("service_date", _delivered(steps)),
            ("access_activity_log", "\n".join(activity)),
            ("refund_policy_disclosure", _policy(payment)),
            ("uncategorized_text", _payment(order, payment, attached.refunds.get(payment.id, ()))),
        ]
        return found, [(name, text[:MAX_TEXT]) for name, text in items if text]

    async def _use(self, order: Order) -> list[str]:
        esims = await self._esims.of_order(order.id)
        bundles = await self._esims.bundles([esim.id for esim in esims]) if esims else []
        lines = []
        for esim in esims:
            lines += _installed(esim)
            lines += [_used(b) for b in bundles if b.esim_id == esim.id]
        return lines


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _from(payment: Payment) -> str:
    return f" from the IP address {payment.client_address}" if payment.client_address else ""


def _product(order: Order) -> str:
    plan = order.sold_plan or {}
    name = str(plan.get("title") or order.bundle_name)
    kind = "added to an eSIM of the customer" if order.target_iccid else "as an eSIM"
    return (
        f"Mobile data for travelers, delivered online {kind}: {order.quantity} x {name},"
        f" for {order.total_price} {order.currency} in all."
    )


def _delivered(steps: Sequence[timeline_store.Entry]) -> str:
    delivered = timeline_store.MESSAGES["registered"]
    days = [step.at for step in steps if step.message == delivered]
    return f"{days[0]:%Y-%m-%d}" if days else ""


def _installed(esim: esims_pb2.ESIM) -> list[str]:
    name = f"The eSIM with an ICCID ending in {esim.iccid[-4:]}"
    lines = []
    if esim.HasField("installed_date"):
        at = _at(timestamps.from_proto(esim.installed_date))
        lines.append(f"{at} {name} was installed on a device.")
    if esim.HasField("activated_date"):
        at = _at(timestamps.from_proto(esim.activated_date))
        lines.append(f"{at} {name} was first seen on a mobile network.")
    if esim.last_country and esim.HasField("last_country_date"):
        at = _at(timestamps.from_proto(esim.last_country_date))
        lines.append(f"{at} {name} was last seen in {esim.last_country}.")
    if esim.profile_status:
        lines.append(f"{name} has the profile status {esim.profile_status}.")
    return lines


def _used(bundle: esims_pb2.ESIMBundle) -> str:
    begin = ""
    if bundle.HasField("start_date"):
        begin = f" It was first used at {_at(timestamps.from_proto(bundle.start_date))}."
    if not bundle.HasField("initial_bytes") or not bundle.HasField("remaining_bytes"):
        return f"Of the plan {bundle.name} the used data is not known.{begin}"
    used = max(0, bundle.initial_bytes - bundle.remaining_bytes)
    return f"Of the plan {bundle.name} {used} of {bundle.initial_bytes} bytes were used.{begin}"


def _policy(payment: Payment) -> str:
    if not payment.policy:
        return ""
    policy = RefundPolicy.from_json(payment.policy)
    days = "without a time limit" if policy.window_days is None else f"{policy.window_days} days"
    terms = [f"The customer could cancel the order and get a refund: {days}"]
    if policy.only_if_not_installed:
        terms.append("only while the eSIM is not installed")
    if policy.only_if_unused:
        terms.append("only while the plan is unused")
    if policy.fee:
        terms.append(f"less a fee of {policy.fee} percent")
    return f"{', '.join(terms)}. These terms were recorded with the order."


def _payment(order: Order, payment: Payment, refunds: Sequence[Refund]) -> str:
    lines = [f"Order {order.id} of {_at(order.created_at)}."]
    if payment.card_last4:
        lines.append(f"It was paid by the card ending in {payment.card_last4}.")
    if payment.email_domain:
        lines.append(f"The customer's account has an e-mail address at {payment.email_domain}.")
    if payment.account_created_at is not None:
        lines.append(f"The customer's account exists since {_at(payment.account_created_at)}.")
    lines += [
        f"{_at(refund.created_at)} A refund of {refund.amount} {refund.currency}: {refund.state}."
        for refund in refunds
    ]
    return "\n".join(lines)
