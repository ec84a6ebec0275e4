"""Settings of WebSockets and event streams."""

from dataclasses import dataclass

from kit.values.env import Env

# A connection takes some 20 KiB (measured) before it carries any subscription, and the events of 5,000 keep
# a process busy.
MAX_OPEN = 5_000
# An office or a mobile carrier shares an address, but few of its users subscribe.
PER_ADDRESS = 50
# Open tabs and devices of one user.
PER_USER = 20
# Messages and control frames per second of one connection. Clients ping about every ten seconds, and start
# a few dozen operations when a page opens.
MESSAGE_RATE = 10.0
# Seconds. Clients send connection_init immediately; a slow network takes a few.
INIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Limits of open connections, and of what a client may send on a WebSocket."""

    max_open: int = MAX_OPEN
    per_address: int = PER_ADDRESS
    per_user: int = PER_USER
    message_rate: float = MESSAGE_RATE
    init_seconds: float = INIT_SECONDS

    @classmethod
    def read(cls, env: Env) -> "SocketSettings":
        return cls(
            max_open=env.integer(
                "GATEWAY_MAX_SOCKETS",
                "Maximum number of open WebSockets of one process, and the same number of"
                " event streams.",
                MAX_OPEN,
                low=0,
                high=100_000,
            ),
            per_address=env.integer(
                "GATEWAY_MAX_SOCKETS_PER_ADDRESS",
                "Maximum number of open WebSockets of one network address, and the same"
                " number of event streams.",
                PER_ADDRESS,
                low=1,
                high=100_000,
            ),
            per_user=env.integer(
                "GATEWAY_MAX_SOCKETS_PER_USER",
                "Maximum number of open WebSockets of one signed-in user, and the same"
                " number of event streams.",
                PER_USER,
                low=1,
                high=100_000,
            ),
            message_rate=env.number(
                "GATEWAY_SOCKET_MESSAGE_RATE",
                "Average number of messages and control frames per second that a client may send"
                " on one WebSocket, with bursts of ten seconds' worth. 0 sets no limit.",
                MESSAGE_RATE,
                low=0,
                high=1_000_000,
            ),
            init_seconds=env.number(
                "GATEWAY_SOCKET_INIT_SECONDS",
                "How long a WebSocket may stay open without connection_init, in seconds.",
                INIT_SECONDS,
                low=1,
                high=60,
            ),
        )
