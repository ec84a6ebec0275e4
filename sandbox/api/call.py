"""What a handler of the provider's API is given and what it gives back."""

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
    """A request that already fits the contract: typed parameters and a checked body."""

    world: World
    at: datetime
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    accept: str
    source_ip: str

    def esim(self) -> Esim:
        """The eSIM of the path; refuses what isn't an ICCID or isn't one of ours."""
        return find_esim(self.world, self.path["iccid"])


def find_esim(world: World, iccid: str) -> Esim:
    """The eSIM of that ICCID, or the provider's refusal."""
    if not (iccid.isascii() and iccid.isdigit() and 18 <= len(iccid) <= 20):
        raise bad("an ICCID has 18 to 20 digits")
    esim = world.esims.get(iccid)
    if esim is None:
        raise Refusal(world.switches.unknown_iccid, "access denied")
    return esim


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; anything but bytes is written as JSON, or as text where that is the type."""

    body: Any
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as it goes over the wire."""
        if isinstance(self.body, bytes):
            return self.body
        if self.content_type != JSON:
            return str(self.body).encode()
        return json.dumps(self.body, default=exact, ensure_ascii=False).encode()
