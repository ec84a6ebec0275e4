"""Who may call each method of the API keys service, and which calls of operators are logged."""

from collections.abc import Mapping

from kit.auth.operator_log import Acts
from kit.rpc.guard import Access

# API keys manage no keys, so none of these methods has a scope.
ACCESS: Mapping[str, Access] = {
    "CreateAPIKey": Access.SIGNED_IN,
    "ListAPIKeys": Access.SIGNED_IN,
    "RevokeAPIKey": Access.SIGNED_IN,
    "ExchangeAPIKey": Access.SERVICE,
    "ReplaceSigningKey": Access.SERVICE,
}
# Logged with these fields where an administrator or an operator makes the call.
ACTS: Acts = {
    "CreateAPIKey": ("organization_id", "scopes"),
    "RevokeAPIKey": ("api_key_id",),
    "ReplaceSigningKey": (),
}

ISSUER_ACCESS: Mapping[str, Access] = {"GetKeySet": Access.SERVICE}
