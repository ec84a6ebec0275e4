"""Operations of `esimgo api-keys`: listing and revoking keys, and replacing the one that signs tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cli.config.access import Access
from cli.operators import output
from cli.operators.service import Service, connect
from protos.orders.v1 import api_keys_pb2 as pb
from protos.orders.v1 import organizations_pb2
from protos.orders.v1.api_keys_pb2_grpc import APIKeysServiceStub

PAGE = 100
TITLES = ("id", "name", "key", "scopes", "addresses", "created", "last used", "state")


@dataclass(frozen=True, slots=True)
class APIKeys:
    """The API keys of all organizations. Each method returns lines to print, and raises CommandError."""

    service: Service
    as_json: bool = False

    async def list_keys(self, organization_id: str, limit: int) -> list[str]:
        """List the keys of an organization, newest first."""
        request = pb.ListAPIKeysRequest(organization_id=organization_id, page_size=min(limit, PAGE))
        found = await self.service.listed("ListAPIKeys", request, "api_keys", limit)
        if self.as_json:
            return output.document(found)
        return output.table(TITLES, map(_row, found), "no API key")

    async def revoke(self, key_id: str) -> list[str]:
        """End a key. Idempotent."""
        answer = await self.service.call("RevokeAPIKey", pb.RevokeAPIKeyRequest(api_key_id=key_id))
        if self.as_json:
            return output.document(answer.api_key)
        lines = [f"{answer.api_key.name} ({answer.api_key.hint}...) is revoked"]
        if answer.propagation == organizations_pb2.PROPAGATION_PROPAGATING:
            lines.append("the esims service did not confirm it yet; it learns of it within seconds")
        return lines

    async def replace_signing_key(self) -> list[str]:
        """Replace the key that signs the tokens of all API keys, and withdraw earlier ones."""
        answer = await self.service.call("ReplaceSigningKey", pb.ReplaceSigningKeyRequest())
        if self.as_json:
            return output.document(answer)
        return [
            f"{answer.key_id} signs from now on; tokens of earlier keys are refused within a minute"
        ]


@asynccontextmanager
async def open_api_keys(access: Access, *, as_json: bool) -> AsyncIterator[APIKeys]:
    """Connect with the service role key."""
    async with connect(access, "orders", APIKeysServiceStub) as service:
        yield APIKeys(service, as_json)


def _row(key: pb.APIKey) -> tuple[str, ...]:
    if key.HasField("revoked_at"):
        state = f"revoked {output.moment(key, 'revoked_at')}"
    elif key.HasField("expires_at"):
        state = f"expires {output.moment(key, 'expires_at')}"
    else:
        state = "valid"
    return (
        key.id,
        key.name,
        f"{key.hint}...",
        ",".join(key.scopes),
        ",".join(key.addresses) or "any",
        output.moment(key, "created_at"),
        output.moment(key, "last_used_at") or "never",
        state,
    )
