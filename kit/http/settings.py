"""How much of an HTTP server its clients may occupy: connections, time, and bytes that wait for them."""

from dataclasses import dataclass

from kit.net.client_address import Networks
from kit.values.env import Env

MAX_CONNECTIONS = 8_000
# A browser opens six. An office or a mobile carrier shares an address.
MAX_CONNECTIONS_PER_ADDRESS = 150
# Seconds. A poor line takes one or two for a head or a body.
HEADER_SECONDS = 10.0
BODY_SECONDS = 10.0
# Bytes of a request's line and headers together: an access token of the longest size, and what else
# clients send.
MAX_HEAD = 48 * 1024
# Bytes a second of one WebSocket. What clients send there is short; answers don't count.
WEBSOCKET_RATE = 16 * 1024.0
# Seconds. Longer than the 60 for which most proxies keep a connection, so that they close it first.
IDLE_SECONDS = 75.0
# Seconds in which a client has to read STEP more bytes. A phone that changes networks reads again within
# a few.
SEND_SECONDS = 10.0
# Bytes that the client of an answer must read in `send_seconds`, or all that is left of it.
STEP = 64 * 1024
# Bytes of all answers that wait for their clients: ten of the largest that may be.
MAX_UNSENT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class HTTPSettings:
    """The bounds of one process. Connections of `trusted_proxies` are counted by their clients."""

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

    # Long, as it declares every variable with its help.
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


def _seconds(env: Env, name: str, help_text: str, usual: float) -> float:
    return env.number(name, help_text, usual, low=0.1, high=86_400)
