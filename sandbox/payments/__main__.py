"""Runs the payment sandbox: `python -m sandbox.payments`."""

import asyncio
import logging
import signal
import sys

from sandbox import malformed
from sandbox.payments.app import start
from sandbox.payments.settings import PaymentSettings, from_environment


async def main(settings: PaymentSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    running = await start(settings)
    sys.stdout.write(f"payments ready on {running.url}\n")
    sys.stdout.flush()
    await stopped.wait()
    await running.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    malformed.shorten_logs()
    try:
        asyncio.run(main(from_environment()))
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"payment sandbox can't start: {error}")
