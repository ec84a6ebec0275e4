"""Runs a service that says a line for each RPC that it serves: `python -m bench.counting MODULE`.

Only for the bench: the services say nothing of calls that went well.
"""

import runpy
import sys
from typing import Any

from kit.rpc.guard import Guard

MARK = "rpc served: "
# Asked by whoever watches over the processes.
OF_NO_INTEREST = "/grpc.health."


def say_each_call() -> None:
    """Makes this process say each call that it serves."""
    intercept = Guard.intercept_service

    async def intercept_and_say(self: Guard, continuation: Any, handler_call_details: Any) -> Any:
        method = str(handler_call_details.method)
        if not method.startswith(OF_NO_INTEREST):
            sys.stdout.write(f"{MARK}{method}\n")
            sys.stdout.flush()
        return await intercept(self, continuation, handler_call_details)

    setattr(Guard, "intercept_service", intercept_and_say)  # noqa: B010 - mypy takes it for a slip


if __name__ == "__main__":
    say_each_call()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
