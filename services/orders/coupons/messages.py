"""Translates coupons into their protos."""

from kit.values import money, timestamps
from protos.common.v1 import money_pb2
from protos.orders.v1 import coupons_pb2 as pb
from services.orders.coupons.coupon import Coupon


def coupon_to_proto(coupon: Coupon) -> pb.Coupon:
    rules = coupon.rules
    found = pb.Coupon(
        id=str(coupon.id),
        code=rules.code,
        currency=rules.currency or "",
        starts_at=timestamps.to_proto(rules.starts_at),
        ends_at=timestamps.to_proto(rules.ends_at),
        plans=sorted(rules.plans),
        groups=sorted(rules.groups),
        countries=sorted(rules.countries),
        max_uses=rules.max_uses or 0,
        max_uses_per_customer=rules.max_uses_per_customer or 0,
        first_purchase_only=rules.first_purchase_only,
        disabled=coupon.disabled,
        used=coupon.used,
        reserved=coupon.reserved,
        created_at=timestamps.to_proto(coupon.created_at),
        created_by=coupon.created_by,
    )
    if rules.percent is not None:
        found.percent = f"{money.plain(rules.percent):f}"
    if rules.currency is not None:
        spent = money.to_proto(coupon.spent, rules.currency)
        found.spent.CopyFrom(spent)
        for name in ("amount", "minimum", "budget", "max_loss"):
            amount = getattr(rules, name)
            if amount is not None:
                target: money_pb2.Money = getattr(found, name)
                target.CopyFrom(money.to_proto(amount, rules.currency))
    return found
