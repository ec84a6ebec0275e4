"""Who may call each method of the API keys service, and which calls of the staff are logged."""

from kit.rpc.access import Access, Rule, Rules

# API keys manage no keys, so none of these methods has a scope.
ACCESS: Rules = {
    "CreateAPIKey": Rule(Access.SIGNED_IN, logged=("organization_id", "scopes")),
    "ListAPIKeys": Rule(Access.SIGNED_IN),
    "RevokeAPIKey": Rule(Access.SIGNED_IN, logged=("api_key_id",)),
    "ExchangeAPIKey": Rule(Access.SERVICE),
    "ReplaceSigningKey": Rule(Access.SERVICE, logged=()),
}

ISSUER_ACCESS: Rules = {"GetKeySet": Rule(Access.SERVICE)}
