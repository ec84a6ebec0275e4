"""Settings of the provider's client."""

from dataclasses import dataclass, field
from typing import Self

from kit.values.env import Env
from providers.esim_go.limits import MAX_PAUSE

KEY_MISSING = "eSIM Go API key not configured"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """URL, key, timeouts and limits; times are in seconds."""

    base_url: str
    api_key: str = field(repr=False)
    timeout: float = 15.0  # the slowest calls, orders of several eSIMs, take a few seconds
    attempts: int = 3  # of a read
    answer_bytes: int = 16 * 1024 * 1024  # five times the whole catalogue of 5,221 bundles
    longest_hold: float = MAX_PAUSE
    circuit_threshold: int = 5
    circuit_seconds: float = 30.0

    @classmethod
    def read(cls, env: Env) -> Self:
        base_url = env.url(
            "ESIM_GO_BASE_URL",
            "Base URL of the eSIM Go API, including the version.",
            "https://api.esim-go.com/v2.5",
        )
        api_key = env.text(
            "ESIM_GO_API_KEY", "API key of your organization at eSIM Go.", secret=True,
            missing=KEY_MISSING,
        )  # fmt: skip
        timeout = env.number(
            "ESIM_GO_TIMEOUT",
            "Timeout of a call to eSIM Go, in seconds, including the time spent waiting for"
            " the rate limit.",
            15,
            low=1,
            high=300,
        )
        answer_mb = env.number(
            "ESIM_GO_MAX_ANSWER_MB",
            "Maximum size of a response of eSIM Go, in megabytes (of 1,048,576 bytes), both as"
            " received and decompressed. A larger response fails with PROVIDER_BAD_ANSWER. The"
            " whole catalogue takes 3.",
            16,
            low=1,
            high=4096,
        )
        longest_hold = env.number(
            "ESIM_GO_MAX_HOLD_SECONDS",
            "Maximum pause that eSIM Go may request (through Retry-After, or the end of a rate"
            " limit window), in seconds. After that, calls are retried one at a time.",
            MAX_PAUSE,
            low=1,
            high=86400,
        )
        if api_key and not fits_header(api_key):
            env.problems.append(
                "ESIM_GO_API_KEY contains spaces or characters that cannot occur in an API key"
            )
        return cls(
            base_url,
            api_key,
            timeout,
            answer_bytes=int(answer_mb * 1024 * 1024),
            longest_hold=longest_hold,
        )


def fits_header(key: str) -> bool:
    """True if a key can be sent in a header."""
    return key != "" and key.isascii() and key.isprintable() and " " not in key
