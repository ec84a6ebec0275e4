"""Arguments and results of the handlers of the provider's API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sandbox.contract.operation import JSON
from sandbox.state.exact import exact
from sandbox.state.records import Esim
from sandbox.state.refusal import Refusal, bad
from sandbox.state.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """A validated request with typed parameters."""

    world: World
    at: datetime
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    accept: str
    source_ip: str

    def esim(self) -> Esim:
        """Return the eSIM of the path; raise Refusal for an invalid or unknown ICCID."""
        return find_esim(self.world, self.path["iccid"])


def find_esim(world: World, iccid: str) -> Esim:
    """Return the eSIM with that ICCID; raise Refusal as the provider does."""
    if not (iccid.isascii() and iccid.isdigit() and 18 <= len(iccid) <= 20):
        raise bad("an ICCID has 18 to 20 digits")
    esim = world.esims.get(iccid)
    if esim is None:
        raise Refusal(world.switches.unknown_iccid, "access denied")
    return esim


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; a body other than bytes is encoded as JSON, or as text by its content type."""

    body: Any
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the body as bytes."""
        if isinstance(self.body, bytes):
            return self.body
        if self.content_type != JSON:
            return str(self.body).encode()
        return json.dumps(self.body, default=exact, ensure_ascii=False).encode()
