"""Settings of the emulator."""

from dataclasses import dataclass, field
from pathlib import Path

# Supabase's defaults: an access token lives an hour. A refresh token may be used again within
# 10 s, for browser tabs that refresh at the same moment.
DEFAULT_TOKEN_LIFETIME = 3600
DEFAULT_REUSE_INTERVAL = 10


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Settings of one emulator.

    `public_url` is the clients' SUPABASE_URL and part of the tokens' issuer; empty means
    the address on which it listens. Without `state` nothing is stored. Lifetimes
    are in seconds.
    """

    anon_key: str = field(repr=False)
    service_role_key: str = field(repr=False)
    public_url: str = ""
    state: Path | None = None
    token_lifetime: int = DEFAULT_TOKEN_LIFETIME
    reuse_interval: int = DEFAULT_REUSE_INTERVAL

    def __post_init__(self) -> None:
        if not self.anon_key or not self.service_role_key:
            raise ValueError("the anon key and the service role key must not be empty")
        if self.anon_key == self.service_role_key:
            raise ValueError("the anon key and the service role key must differ")
        if self.token_lifetime <= 0:
            raise ValueError("the token lifetime must be at least 1 second")
        if self.reuse_interval < 0:
            raise ValueError("the reuse interval must not be negative")
