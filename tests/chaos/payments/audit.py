"""Compares the records of the payment provider, the eSIM provider and our tables about the same orders."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from tests.chaos.payments.books import Books, Intent, RecordedOrder
from tests.chaos.payments.shoppers import WALLET_TOO_LOW, CustomerView, Result
from tests.chaos.purchase.audit import Finding
from tests.chaos.purchase.books import Charge

ZERO = Decimal(0)
# Times of the payment provider are full seconds, rounded down.
SECOND = timedelta(seconds=1)
# Statuses of orders that were delivered and paid.
SOLD = ("COMPLETED", "CANCELLED", "REFUNDED")
# Refusals of a purchase before it is recorded: too little in the wallet, or a fault of the eSIM provider.
REFUSALS = frozenset({WALLET_TOO_LOW, "PRICE_CHANGED", "NOT_SOLD_NOW"})
# The status of a payment that its customer sees, by its state, unless something was refunded.
SHOWN = {"CAPTURED": "PAID", "RELEASED": "RELEASED"}
# Returns what is wrong with an order; empty if nothing is.
Rule = Callable[[RecordedOrder], str]


def audit(
    books: Books,
    charges: Sequence[Charge],
    results: Mapping[str, Result],
    seen: Mapping[str, CustomerView],
) -> list[Finding]:
    """Apply all rules; `charges` are the provider's, `results` by idempotency key, `seen` by order id."""
    orders, intents = books.orders, books.intents
    of_order: defaultdict[str, list[Intent]] = defaultdict(list)
    for intent in intents:
        of_order[intent.order].append(intent)
    sold = [o for o in orders if o.status in SOLD]
    failed = [o for o in orders if o.status == "FAILED"]
    captured = [i for i in intents if i.order and i.received > i.refunded]
    return [
        Finding(
            "every delivered order was captured once, for exactly its total",
            len(sold),
            _check_each(sold, lambda o: _captured(o, of_order[o.id])),
        ),
        Finding(
            "every FAILED order was released or refunded whole",
            len(failed),
            _check_each(failed, lambda o: _given_back(o, of_order[o.id])),
        ),
        Finding(
            "no order has two intents, and no intent is without its payment",
            len(intents),
            _unrelated_intents(books, of_order),
        ),
        Finding(
            "nothing is captured without an eSIM of the provider",
            len(captured),
            _without_esims(captured, orders, charges),
        ),
        Finding(
            "nothing was captured before its eSIMs were registered", *_too_early(orders, of_order)
        ),
        Finding(
            "no eSIM was bought before its payment was authorized",
            len(charges),
            _unpaid(charges, orders, of_order),
        ),
        Finding(
            "every refund was recorded before it was made once, for its amount",
            len(books.refunds),
            _refunds(books),
        ),
        Finding(
            "no more was refunded than was captured",
            len(orders),
            [
                f"{o.id}: {o.refunded} of {o.captured}"
                for o in orders
                if (o.refunded or ZERO) > (o.captured or ZERO)
            ],
        ),
        Finding("every paid top-up was credited once", *_top_ups(books)),
        Finding(
            "every wallet equals its entries and its account in the ledger",
            len(books.wallets),
            _wallets(books),
        ),
        Finding("the ledger balances, and has what the payment provider has", *_ledger(books)),
        Finding(
            "no work is unfinished, and no order needs an operator",
            len(orders),
            [
                f"{o.id} is {o.status} at {o.point}, its payment {o.state}"
                for o in orders
                if o.status in ("PROCESSING", "NEEDS_REVIEW")
                or o.state not in ("CAPTURED", "RELEASED")
            ],
        ),
        Finding("every key is at most one order", *_keys(orders, results)),
        Finding("customers see exactly what is in the tables", len(orders), _shown(orders, seen)),
    ]


def _check_each(orders: Iterable[RecordedOrder], rule: Rule) -> list[str]:
    return [f"{o.id} ({o.outcome}): {why}" for o in orders if (why := rule(o))]


def _captured(order: RecordedOrder, intents: Sequence[Intent]) -> str:
    """Return what is wrong with the payment of a delivered order; empty if nothing is."""
    if (order.state, order.captured, order.amount) != ("CAPTURED", order.total, order.total):
        return f"{order.state}, {order.captured} of {order.amount} captured, the total is {order.total}"
    if not order.from_card:
        return f"{len(intents)} intents, but the wallet paid" if intents else ""
    captured = [i for i in intents if i.received]
    if len(captured) != 1 or captured[0].captures != 1:
        return f"{sum(i.captures for i in captured)} captures"
    (one,) = captured
    if (one.received, one.currency, one.held) != (order.from_card, order.currency, ZERO):
        return (
            f"captured {one.received} {one.currency} instead of {order.from_card} {order.currency}"
        )
    return ""


def _given_back(order: RecordedOrder, intents: Sequence[Intent]) -> str:
    """Return what the shop keeps of a failed order's payment; empty if nothing."""
    retained = sum((i.received - i.refunded for i in intents), ZERO)
    held = sum((i.held for i in intents), ZERO)
    still_open = [i.id for i in intents if i.status not in ("canceled", "succeeded")]
    if retained or held:
        return f"{retained} retained and {held} held at the payment provider"
    if still_open:
        return f"{still_open[0]} can still be paid"
    if order.state != "RELEASED" or order.captured != order.refunded:
        return f"{order.state}, {order.refunded} of {order.captured} refunded"
    if order.reference or order.registered:
        return "it has eSIMs"
    return ""


def _unrelated_intents(books: Books, of_order: Mapping[str, Sequence[Intent]]) -> list[str]:
    wrong = [
        f"{order_id} has {', '.join(i.id for i in found)}"
        for order_id, found in of_order.items()
        if order_id and len(found) > 1
    ]
    payments = {o.payment for o in books.orders} | {t.id for t in books.top_ups}
    wrong += [f"{i.id} belongs to no payment" for i in books.intents if i.payment not in payments]
    top_ups = Counter(i.payment for i in books.intents if not i.order)
    wrong += [f"the top-up {id_} has {n} intents" for id_, n in top_ups.items() if n > 1]
    known = {o.id: o.intent for o in books.orders}
    return wrong + [
        f"{i.id} is not the recorded {known.get(i.order)} of order {i.order}"
        for i in books.intents
        if i.order and i.received and known.get(i.order) != i.id
    ]


def _without_esims(
    captured: Sequence[Intent], orders: Sequence[RecordedOrder], charges: Sequence[Charge]
) -> list[str]:
    of_id = {o.id: o for o in orders}
    bought = {charge.reference: charge for charge in charges}
    wrong = []
    for intent in captured:
        order = of_id.get(intent.order)
        charge = bought.get(order.reference or "") if order else None
        if charge is None or order is None:
            wrong.append(f"{intent.id} took {intent.received} for {intent.order}, without an eSIM")
        elif frozenset(order.registered) != charge.iccids:
            wrong.append(f"{order.id}: {len(order.registered)} of {len(charge.iccids)} eSIMs")
    return wrong


def _too_early(
    orders: Sequence[RecordedOrder], of_order: Mapping[str, Sequence[Intent]]
) -> tuple[int, list[str]]:
    checked, wrong = 0, []
    for order in orders:
        for at in (i.captured_at for i in of_order[order.id] if i.captured_at is not None):
            checked += 1
            if order.registered_at is None or at + SECOND <= order.registered_at:
                wrong.append(f"{order.id}: captured at {at}, registered at {order.registered_at}")
    return checked, wrong


def _unpaid(
    charges: Sequence[Charge],
    orders: Sequence[RecordedOrder],
    of_order: Mapping[str, Sequence[Intent]],
) -> list[str]:
    owners: defaultdict[str | None, list[RecordedOrder]] = defaultdict(list)
    for order in orders:
        owners[order.reference].append(order)
    wrong = []
    for charge in charges:
        found = owners[charge.reference]
        if len(found) != 1:
            wrong.append(f"{charge.reference} belongs to {len(found)} orders")
            continue
        (order,) = found
        first, paid = order.attempted_at, order.authorized_at
        if first is None or paid is None or paid > first:
            wrong.append(f"{order.id}: attempted at {first}, authorized at {paid}")
        if not order.from_card:
            continue
        held = min((i.authorized_at for i in of_order[order.id] if i.authorized_at), default=None)
        if held is None or first is None or held > first:
            wrong.append(f"{order.id}: attempted at {first}, the card was charged at {held}")
    return wrong


def _refunds(books: Books) -> list[str]:
    recorded = {r.id: r for r in books.refunds}
    amounts: defaultdict[str, list[Decimal]] = defaultdict(list)
    wrong = []
    for one in books.provider_refunds:
        refund = recorded.get(one.ours)
        if refund is None:
            wrong.append(f"{one.id} of {one.amount} was never recorded")
        elif one.created_at + SECOND <= refund.created_at:
            wrong.append(f"{one.id} was made before {refund.id} was recorded")
        if one.status != "failed":
            amounts[one.ours].append(one.amount)
    for refund in books.refunds:
        if refund.state != "SUCCEEDED":
            wrong.append(f"{refund.id} is {refund.state}")
        elif refund.destination == "CARD" and amounts[refund.id] != [refund.amount]:
            wrong.append(f"{refund.id} of {refund.amount} was made as {amounts[refund.id]}")
    return wrong


def _top_ups(books: Books) -> tuple[int, list[str]]:
    received: defaultdict[str, Decimal] = defaultdict(Decimal)
    for intent in books.intents:
        received[intent.payment] += intent.received
    return len(books.top_ups), [
        f"{t.id}: {received[t.id]} received, {t.captured} recorded, {t.credited} credited"
        for t in books.top_ups
        if not received[t.id] == t.captured == t.credited
    ]


def _wallets(books: Books) -> list[str]:
    return [
        f"{w.id}: {w.available} and {w.held} held, entries {w.entries_available} and {w.entries_held},"
        f" ledger {w.ledger}"
        for w in books.wallets
        if (w.available, w.held) != (w.entries_available, w.entries_held)
        or w.available + w.held != w.ledger
        or w.held
    ]


def _ledger(books: Books) -> tuple[int, list[str]]:
    wrong = [f"{id_} does not balance" for id_ in books.unbalanced]
    currencies = books.clearing.keys() | books.provider_totals.keys()
    for currency in currencies:
        totals = books.provider_totals.get(currency, {})
        net = totals.get("received", ZERO) - totals.get("refunded", ZERO)
        ours = books.clearing.get(currency, ZERO) + books.fees.get(currency, ZERO)
        if ours != net:
            wrong.append(f"clearing:stripe is {ours} {currency} before fees, received were {net}")
    return len(currencies), wrong


def _keys(orders: Sequence[RecordedOrder], results: Mapping[str, Result]) -> tuple[int, list[str]]:
    of_key: defaultdict[str | None, set[str]] = defaultdict(set)
    for order in orders:
        of_key[order.key].add(order.id)
    wrong = []
    for key, result in results.items():
        found = of_key[key]
        refused = result.refused in REFUSALS and not result.order_ids
        if len(found) > 1 or not result.order_ids <= found or (not found and not refused):
            wrong.append(f"{key}: {sorted(found)}, reported {result.order_ids} {result.refused}")
    unknown = of_key.keys() - results.keys()
    return len(results), wrong + [f"{key} is no buyer's key" for key in unknown]


def _shown(orders: Sequence[RecordedOrder], seen: Mapping[str, CustomerView]) -> list[str]:
    wrong = []
    for order in orders:
        expected = CustomerView(
            order.status,
            frozenset(order.registered),
            _status(order),
            order.captured or ZERO,
            order.refunded or ZERO,
        )
        if seen.get(order.id) != expected:
            wrong.append(f"{order.id}: {expected}, shown {seen.get(order.id)}")
    return wrong


def _status(order: RecordedOrder) -> str:
    if order.state == "CAPTURED" and order.refunded:
        return "REFUNDED" if order.refunded == order.captured else "PARTIALLY_REFUNDED"
    return SHOWN.get(order.state or "", order.state or "")
