"""Runs a service that prints a line for each RPC that it serves: `python -m bench.counting MODULE`.

Only for benches: the services themselves don't log successful calls.
"""

import runpy
import sys
from typing import Any

from kit.rpc.guard import Guard

MARK = "rpc served: "
# Health checks of the supervisor.
IGNORED = "/grpc.health."


def print_each_call() -> None:
    """Make this process print each call that it serves."""
    intercept = Guard.intercept_service

    async def intercept_and_print(self: Guard, continuation: Any, handler_call_details: Any) -> Any:
        method = str(handler_call_details.method)
        if not method.startswith(IGNORED):
            sys.stdout.write(f"{MARK}{method}\n")
            sys.stdout.flush()
        return await intercept(self, continuation, handler_call_details)

    setattr(Guard, "intercept_service", intercept_and_print)  # noqa: B010 - mypy forbids assigning a method


if __name__ == "__main__":
    print_each_call()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
