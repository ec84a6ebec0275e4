"""Who may call each method of the coupons service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "CreateCoupon": Access.FINANCE,
    "DisableCoupon": Access.FINANCE,
    "ListCoupons": Access.FINANCE,
    "CheckCoupon": Access.PUBLIC,
}
# Logged with these fields where the staff or an operator makes the call.
ACTS: Acts = {"CreateCoupon": ("coupon",), "DisableCoupon": ("coupon_id",)}
# What API keys may call, and the scope that they need.
SCOPES: Mapping[str, str] = {"CheckCoupon": "plans:read"}
