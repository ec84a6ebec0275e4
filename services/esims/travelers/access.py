"""Who may call each method of the travelers service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

ACCESS: Rules = {
    "AssignESIM": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "UnassignESIM": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "ListTravelers": Rule(Access.SIGNED_IN, "esims:read"),
    "BatchGetTravelers": Rule(Access.SIGNED_IN, "esims:read"),
    "CreateShareLink": Rule(Access.SIGNED_IN, "esims:write", logged=("esim_id",)),
    "ListShareLinks": Rule(Access.SIGNED_IN, "esims:read"),
    "RevokeShareLink": Rule(Access.SIGNED_IN, "esims:write", logged=("share_link_id",)),
    "ShowShareLinkCode": Rule(Access.SIGNED_IN, "esims:write", logged=("share_link_id",)),
    "OpenShareLink": Rule(Access.SERVICE),
    "ApplyMemberships": Rule(Access.SERVICE),
    # Without the addresses: the erasure of the customer itself logs it.
    "EraseTravelers": Rule(Access.SERVICE, logged=()),
}
