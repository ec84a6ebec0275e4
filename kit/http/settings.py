"""Limits for the clients of an HTTP server: connections, times, and buffered bytes."""

from dataclasses import dataclass

from kit.net.client_address import Networks
from kit.values.env import Env

MAX_CONNECTIONS = 8_000
# A browser opens six, and many users of an office or a mobile carrier share an address.
MAX_CONNECTIONS_PER_ADDRESS = 150
# Seconds. A poor connection takes one or two.
HEADER_SECONDS = 10.0
BODY_SECONDS = 10.0
# Bytes of the request line and headers together, including the longest access token.
MAX_HEAD = 48 * 1024
# Bytes per second that a client sends on one WebSocket.
WEBSOCKET_RATE = 16 * 1024.0
# Seconds. Longer than the 60 of most proxies, so that the proxy closes the connection first.
IDLE_SECONDS = 75.0
# Seconds in which a client must read STEP bytes. A phone that changes networks needs a few.
SEND_SECONDS = 10.0
# Bytes of a response that a client must read in `send_seconds`, unless less is left.
STEP = 64 * 1024
# Bytes buffered for all clients: ten of the largest responses.
MAX_UNSENT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """Limits of one process. Connections of `trusted_proxies` count toward their clients."""

    max_connections: int = MAX_CONNECTIONS
    max_connections_per_address: int = MAX_CONNECTIONS_PER_ADDRESS
    max_head: int = MAX_HEAD
    websocket_rate: float = WEBSOCKET_RATE
    header_seconds: float = HEADER_SECONDS
    body_seconds: float = BODY_SECONDS
    idle_seconds: float = IDLE_SECONDS
    send_seconds: float = SEND_SECONDS
    max_unsent: int = MAX_UNSENT
    trusted_proxies: Networks = ()

    # Over 60 lines because it declares every variable with its help.
    @classmethod
    def read(cls, env: Env, trusted_proxies: Networks) -> "HTTPSettings":
        return cls(
            max_connections=int(
                env.number(
                    "HTTP_MAX_CONNECTIONS",
                    "Maximum number of client connections of one process. Lowered automatically"
                    " if the operating system allows fewer open files.",
                    MAX_CONNECTIONS,
                    low=10,
                    high=1_000_000,
                )
            ),
            max_connections_per_address=int(
                env.number(
                    "HTTP_MAX_CONNECTIONS_PER_ADDRESS",
                    "Maximum number of connections of one network address to one process. For a"
                    " client behind a trusted proxy: maximum number of concurrent requests.",
                    MAX_CONNECTIONS_PER_ADDRESS,
                    low=1,
                    high=1_000_000,
                )
            ),
            max_head=int(
                env.number(
                    "HTTP_MAX_HEAD",
                    "Maximum size of the request line and headers of a request together, in bytes.",
                    MAX_HEAD,
                    low=16_384,
                    high=1_073_741_824,
                )
            ),
            websocket_rate=env.number(
                "HTTP_WEBSOCKET_RATE",
                "Average number of bytes per second read from one WebSocket, with bursts of three"
                " seconds' worth. Data above the limit is read later.",
                WEBSOCKET_RATE,
                low=1_024,
                high=1_000_000_000,
            ),
            header_seconds=_seconds(
                env,
                "HTTP_HEADER_SECONDS",
                "How long a client may take to send the head of a request, in seconds. For the"
                " first request this counts from the moment of connecting.",
                HEADER_SECONDS,
            ),
            body_seconds=_seconds(
                env,
                "HTTP_BODY_SECONDS",
                "How long a client may take to send the body of a request, in seconds.",
                BODY_SECONDS,
            ),
            idle_seconds=_seconds(
                env,
                "HTTP_IDLE_SECONDS",
                "How long an idle connection stays open between two requests, in seconds. Choose"
                " a longer time than your proxy's idle timeout, so that the proxy closes the"
                " connection first.",
                IDLE_SECONDS,
            ),
            send_seconds=_seconds(
                env,
                "HTTP_SEND_SECONDS",
                "How long a client may take to read 64 KiB of a response or stream (or the rest"
                " of it, if less remains), in seconds, before its connection is closed.",
                SEND_SECONDS,
            ),
            max_unsent=int(
                env.number(
                    "HTTP_MAX_UNSENT",
                    "Maximum number of bytes that may be buffered in one process for slow"
                    " readers. Above it, the network address with the most buffered bytes loses a"
                    " connection.",
                    MAX_UNSENT,
                    low=1_048_576,
                    high=1_099_511_627_776,
                )
            ),
            trusted_proxies=trusted_proxies,
        )


def _seconds(env: Env, name: str, help_text: str, default: float) -> float:
    return env.number(name, help_text, default, low=0.1, high=86_400)
