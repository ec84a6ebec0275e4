"""All attacks: target, function, and the settings that switch off the bound against each."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bench.abuse import connections, grpc_server, memory, work

Run = Callable[[str, float], Awaitable[Counter[str]]]
# More than any attack reaches.
NO_BOUND = "1000000000"
A_DAY = "86400"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack. `run` takes the target's address (host:port) and seconds, and counts the answers.

    `target` is gateway, webhooks or catalogue; `off` are the settings that switch the bound off, none if no
    setting does.
    """

    target: str
    run: Run
    off: Mapping[str, str]

    @property
    def name(self) -> str:
        module = self.run.__module__.rpartition(".")[2]
        return f"{self.target}-{module}-{self.run.__name__}".replace("_", "-")


def _attack(target: str, run: Run, *bounds: str, **times: str) -> Attack:
    return Attack(target, run, dict.fromkeys(bounds, NO_BOUND) | times)


WORK = "GATEWAY_ADDRESS_WORK"
RATE = {"GATEWAY_ADDRESS_RATE": "0"}
HEADS, BODIES = {"HTTP_HEADER_SECONDS": A_DAY}, {"HTTP_BODY_SECONDS": A_DAY}
UNSENT_BYTES = ("HTTP_MAX_UNSENT", "GATEWAY_MAX_COST_ANONYMOUS", WORK)
UNSENT = {"HTTP_SEND_SECONDS": A_DAY}
PER_ADDRESS = {"HTTP_MAX_CONNECTIONS_PER_ADDRESS": "1000000"}
SOCKETS = {
    "GATEWAY_MAX_SOCKETS_PER_ADDRESS": "100000",
    "GATEWAY_ADDRESS_RATE": "0",
    "GATEWAY_SOCKET_INIT_SECONDS": "60",
}

ATTACKS = (
    _attack("gateway", work.long_documents, "GATEWAY_MAX_DOCUMENT", WORK),
    _attack(
        *("gateway", work.lines_and_errors, "GATEWAY_MAX_DOCUMENT", "GATEWAY_MAX_VALUES"),
        *("GATEWAY_MAX_ERRORS", WORK),
    ),
    _attack("gateway", work.equal_names, "GATEWAY_MAX_COMPARISONS", WORK),
    _attack("gateway", work.many_values, "GATEWAY_MAX_VALUES", WORK),
    _attack("gateway", work.faulty_entities, "GATEWAY_MAX_ERRORS", WORK),
    _attack("gateway", work.unseen_documents, WORK),
    _attack("gateway", work.whole_catalogues, WORK),
    _attack("gateway", work.aliased_values, "GATEWAY_MAX_COST_ANONYMOUS", WORK),
    _attack("gateway", memory.unread_answers, *UNSENT_BYTES, **UNSENT),
    _attack("gateway", memory.undeclared_variables),
    _attack("gateway", memory.many_answers, "GATEWAY_RESPONSE_CACHE_BYTES", WORK, **RATE),
    _attack("gateway", memory.long_documents),
    _attack("gateway", memory.large_heads, "HTTP_MAX_HEAD", **HEADS),
    _attack("gateway", memory.pipelined_bodies, "HTTP_MAX_UNSENT", **UNSENT),
    _attack("gateway", connections.slow_heads, **HEADS, **PER_ADDRESS),
    _attack("webhooks", connections.slow_heads, **HEADS, **PER_ADDRESS),
    _attack("gateway", connections.slow_bodies, **BODIES, **PER_ADDRESS),
    _attack("webhooks", connections.slow_bodies, **BODIES, **PER_ADDRESS),
    _attack("gateway", connections.idle_connections, **PER_ADDRESS, HTTP_IDLE_SECONDS=A_DAY),
    _attack("gateway", connections.flood_of_requests, **PER_ADDRESS),
    _attack("webhooks", connections.flood_of_requests, **PER_ADDRESS),
    _attack(
        "gateway", connections.socket_pings, "HTTP_WEBSOCKET_RATE", GATEWAY_SOCKET_MESSAGE_RATE="0"
    ),
    _attack("gateway", connections.socket_frames, "HTTP_WEBSOCKET_RATE"),
    _attack("gateway", connections.many_sockets, **SOCKETS, **PER_ADDRESS),
    _attack("catalogue", grpc_server.unread_answers, "GRPC_MAX_UNREAD_BYTES", "GRPC_SEND_SECONDS"),
    _attack(
        *("catalogue", grpc_server.unread_answers_on_many_connections),
        *("GRPC_MAX_UNREAD_BYTES", "GRPC_SEND_SECONDS"),
    ),
    _attack("catalogue", grpc_server.heavy_calls, "GRPC_MAX_WORK_WITHOUT_SESSION"),
    _attack(
        *("catalogue", grpc_server.silent_calls),
        *("GRPC_MAX_CALLS_WITHOUT_SESSION", "GRPC_REQUEST_SECONDS"),
    ),
    _attack("catalogue", grpc_server.large_requests, "GRPC_MAX_REQUEST_BYTES"),
    _attack("catalogue", grpc_server.large_metadata, "GRPC_MAX_METADATA_BYTES"),
    _attack("catalogue", grpc_server.rapid_resets, "GRPC_MAX_STREAMS_PER_CONNECTION"),
    _attack("catalogue", grpc_server.endless_streams, "GRPC_MAX_CALLS_WITHOUT_SESSION"),
    _attack("catalogue", grpc_server.idle_connections, "GRPC_MAX_CONNECTIONS"),
)
