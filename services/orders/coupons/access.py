"""Who may call each method of the coupons service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "CreateCoupon": Rule(Access.FINANCE, logged=("coupon",)),
    "DisableCoupon": Rule(Access.FINANCE, logged=("coupon_id",)),
    "ListCoupons": Rule(Access.FINANCE),
    "CheckCoupon": Rule(Access.PUBLIC, "plans:read"),
}
