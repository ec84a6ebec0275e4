"""API keys, with which programs act for an organization."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from gateway.errors import naming
from gateway.execution.auth import auth_field
from gateway.execution.columns import computed, optional_time, strings, text, timestamp
from gateway.execution.views import View, read, views
from gateway.schema import inputs, results
from gateway.schema.connections import OF_FIELD, page_of, page_size
from gateway.schema.organizations.results import propagation
from gateway.schema.organizations.types import Propagation
from gateway.schema.prices.price_lists import NEXT
from gateway.upstream.context import Info
from kit.errors import invalid
from protos.orders.v1 import api_keys_pb2

# Keys of a page.
DEFAULT_SIZE = 50
MAX_SIZE = 100


@strawberry.enum(description="What an API key may do. It sees only what it has bought itself.")
class APIKeyScope(Enum):
    PLANS_READ = strawberry.enum_value(
        "PLANS_READ",
        description="Read the catalogue, as everybody may. Every other scope includes it.",
    )
    ORDERS_READ = strawberry.enum_value("ORDERS_READ", description="Read its orders and batches.")
    ORDERS_WRITE = strawberry.enum_value(
        "ORDERS_WRITE", description="Buy and cancel. Includes ORDERS_READ."
    )
    ESIMS_READ = strawberry.enum_value(
        "ESIMS_READ", description="Read its eSIMs, including activation codes and QR codes."
    )
    ESIMS_WRITE = strawberry.enum_value(
        "ESIMS_WRITE",
        description="Assign, share, suspend and restore its eSIMs. Includes ESIMS_READ.",
    )
    ORGANIZATION_READ = strawberry.enum_value(
        "ORGANIZATION_READ", description="Read the organization, its groups and its budgets."
    )


def _name(scope: APIKeyScope) -> str:
    """Return a scope as services name it, such as orders:write."""
    return scope.name.lower().replace("_", ":")


SCOPES = {_name(scope): scope for scope in APIKeyScope}


@strawberry.type(
    description="An API key, without the key itself, which is shown once when it is created."
)
class APIKey(View):
    id: strawberry.ID = read(
        "id", description="A UUID, also the customer of the orders that it places."
    )
    name: str = read("name", description="The name that its creator gave it.")
    hint: str = read("hint", description="The start of the key, by which people recognize it.")
    scopes: list[APIKeyScope] = read(
        computed(lambda row: [SCOPES[one].value for one in row.scopes if one in SCOPES]),
        description="What it may do.",
    )
    addresses: list[str] = read(
        strings("addresses"),
        description="IP addresses and networks that may use it; empty: all.",
    )
    created_at: datetime = read(timestamp("created_at"), description="When it was created.")
    created_by: strawberry.ID = read("created_by", description="Id of the account that created it.")
    expires_at: datetime | None = read(
        optional_time("expires_at"), description="When it expires; null if never."
    )
    last_used_at: datetime | None = read(
        optional_time("last_used_at"),
        description="When it was last used, accurate to a minute; null if never.",
    )
    revoked_at: datetime | None = read(
        optional_time("revoked_at"), description="When it was revoked; null if it was not."
    )
    revoked_by: strawberry.ID | None = read(
        text("revoked_by"),
        description="Id of the account that revoked it; null if it was not revoked.",
    )
    proto: strawberry.Private[api_keys_pb2.APIKey]


@strawberry.type(description="A page of API keys.")
class APIKeyPage:
    nodes: list[APIKey] = strawberry.field(description="The API keys of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.input(description="A new API key.")
class APIKeyInput:
    name: str = strawberry.field(
        description="By which people recognize the key, 1 to 100 characters."
    )
    scopes: list[APIKeyScope] = strawberry.field(description="What it may do; at least one.")
    addresses: list[str] = strawberry.field(
        default_factory=list,
        description="At most 20 IP addresses or networks that may use it, such as 203.0.113.7 or"
        " 2001:db8::/48. Empty: all.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it expires. Omit for a key that doesn't expire."
    )


@strawberry.type(description="Result of `createAPIKey` and `revokeAPIKey`.")
class APIKeyResult:
    success: bool = strawberry.field(description="True if the key was created or is revoked.")
    api_key: APIKey | None = strawberry.field(
        default=None, name="apiKey", description="The API key; null if the request was refused."
    )
    key: str | None = strawberry.field(
        default=None,
        description="The secret that programs send as `Authorization: Bearer <key>`. Only `createAPIKey`"
        " returns it, and it can't be read again.",
    )
    propagation: Propagation | None = strawberry.field(
        default=None,
        description="DONE if every service refuses the key already, else PROPAGATING; null for a new key, and"
        " if the request was refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("MEMBER_ROLE_INSUFFICIENT")


OrganizationIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="The organization's id.")
]
FirstArgument = Annotated[
    int,
    strawberry.argument(description=f"Maximum number of keys to return, 1 to {MAX_SIZE}."),
]
AfterArgument = Annotated[
    str | None,
    strawberry.argument(
        description="Return the keys after this cursor, which is the `nextCursor` of the page"
        " before."
    ),
]
InputArgument = Annotated[APIKeyInput, strawberry.argument(description="The new key.")]
KeyIdArgument = Annotated[strawberry.ID, strawberry.argument(description="The key's id.")]


@strawberry.type
class APIKeyQueries:
    """Mixed into Query."""

    @auth_field(
        name="apiKeys",
        description="The API keys of an organization, newest first, including revoked ones. For its owners"
        " and managers.",
    )
    async def api_keys(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        first: FirstArgument = DEFAULT_SIZE,
        after: AfterArgument = None,
    ) -> APIKeyPage | None:
        request = api_keys_pb2.ListAPIKeysRequest(
            organization_id=organization_id,
            page_size=page_size(first, MAX_SIZE),
            page_token=after or "",
        )
        page = await page_of(
            info.context.call(info.context.peers.api_keys.ListAPIKeys, request), OF_FIELD
        )
        info.context.spend(len(page.api_keys))
        return APIKeyPage(
            nodes=views(APIKey, page.api_keys), next_cursor=page.next_page_token or None
        )


@strawberry.type
class APIKeyMutations:
    """Mixed into Mutation."""

    @auth_field(
        name="createAPIKey",
        description="Creates an API key, with which a program acts for an organization. For owners and"
        " managers. The answer shows the key once.",
    )
    @results.refusable(APIKeyResult)
    async def create_api_key(
        self,
        info: Info,
        organization_id: OrganizationIdArgument,
        input: InputArgument,
    ) -> APIKeyResult | None:
        with naming(
            name="input.name",
            scopes="input.scopes",
            addresses="input.addresses",
            expires_at="input.expiresAt",
        ):
            if not input.scopes:
                known = ", ".join(scope.name for scope in APIKeyScope)
                raise invalid({"scopes": f"must contain at least one of {known}"})
            request = api_keys_pb2.CreateAPIKeyRequest(
                organization_id=organization_id,
                name=input.name,
                scopes=map(_name, input.scopes),
                addresses=input.addresses,
                expires_at=inputs.moment("expires_at", input.expires_at),
            )
            answer = await info.context.change(info.context.peers.api_keys.CreateAPIKey, request)
        return APIKeyResult(
            success=True,
            api_key=APIKey.of(answer.api_key),
            key=answer.key,
            propagation=None,
        )

    @auth_field(
        name="revokeAPIKey",
        description="Ends an API key. Gateways that have cached it refuse it within a minute. For owners and"
        " managers. Idempotent.",
    )
    @results.refusable(APIKeyResult)
    async def revoke_api_key(
        self,
        info: Info,
        id: KeyIdArgument,
    ) -> APIKeyResult | None:
        request = api_keys_pb2.RevokeAPIKeyRequest(api_key_id=id)
        with naming(api_key_id="id"):
            answer = await info.context.change(info.context.peers.api_keys.RevokeAPIKey, request)
        return APIKeyResult(
            success=True,
            api_key=APIKey.of(answer.api_key),
            key=None,
            propagation=propagation(answer.propagation),
        )
