"""The settings of WebSockets and event streams."""

from dataclasses import dataclass

from kit.values.env import Env

# Each takes some 20 KiB (measured) before anything is followed on it, and the events of so many keep
# a process busy.
MOST = 5_000
# An office or a mobile carrier shares an address, and many of its people follow nothing.
PER_ADDRESS = 50
# Open tabs and devices.
PER_USER = 20
# Messages and control frames a second, of one connection. Clients ping every ten seconds or so, and begin
# some dozens of operations when a page opens.
MESSAGE_RATE = 10.0
# Seconds. Clients send connection_init at once; a poor line takes some.
INIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """How many connections may stay open, and what a client may send on a WebSocket."""

    most: int = MOST
    per_address: int = PER_ADDRESS
    per_user: int = PER_USER
    message_rate: float = MESSAGE_RATE
    init_seconds: float = INIT_SECONDS

    @classmethod
    def read(cls, env: Env) -> "SocketSettings":
        return cls(
            most=int(
                env.number(
                    "GATEWAY_MAX_SOCKETS",
                    "Maximum number of open WebSockets of one process, and the same number of"
                    " event streams.",
                    MOST,
                    low=0,
                    high=100_000,
                )
            ),
            per_address=int(
                env.number(
                    "GATEWAY_MAX_SOCKETS_PER_ADDRESS",
                    "Maximum number of open WebSockets of one network address, and the same"
                    " number of event streams.",
                    PER_ADDRESS,
                    low=1,
                    high=100_000,
                )
            ),
            per_user=int(
                env.number(
                    "GATEWAY_MAX_SOCKETS_PER_USER",
                    "Maximum number of open WebSockets of one signed-in user, and the same"
                    " number of event streams.",
                    PER_USER,
                    low=1,
                    high=100_000,
                )
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
