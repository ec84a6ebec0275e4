"""Who may call each method of the travelers service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

ACCESS: Mapping[str, Access] = {
    "AssignESIM": Access.SIGNED_IN,
    "UnassignESIM": Access.SIGNED_IN,
    "ListTravelers": Access.SIGNED_IN,
    "BatchGetTravelers": Access.SIGNED_IN,
    "CreateShareLink": Access.SIGNED_IN,
    "ListShareLinks": Access.SIGNED_IN,
    "RevokeShareLink": Access.SIGNED_IN,
    "ShowShareLinkCode": Access.SIGNED_IN,
    "OpenShareLink": Access.SERVICE,
    "ApplyMemberships": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {
    "AssignESIM": ("esim_id",),
    "UnassignESIM": ("esim_id",),
    "CreateShareLink": ("esim_id",),
    "RevokeShareLink": ("share_link_id",),
    "ShowShareLinkCode": ("share_link_id",),
}
# What an API key needs to call a method; others refuse API keys.
SCOPES: Mapping[str, str] = {
    "AssignESIM": "esims:write",
    "UnassignESIM": "esims:write",
    "ListTravelers": "esims:read",
    "BatchGetTravelers": "esims:read",
    "CreateShareLink": "esims:write",
    "ListShareLinks": "esims:read",
    "RevokeShareLink": "esims:write",
    "ShowShareLinkCode": "esims:write",
}
