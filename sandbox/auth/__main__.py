"""Runs the auth emulator: `python -m sandbox.auth --help`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from sandbox import malformed
from sandbox.auth.app import start
from sandbox.auth.settings import DEFAULT_TOKEN_LIFETIME, AuthSettings


def from_environment(name: str) -> str | None:
    """Return a variable, or the content of the file in NAME_FILE, as containers get secrets."""
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text().strip()
    return os.environ.get(name)


def read_arguments() -> argparse.Namespace:
    """Parse the command line; the keys can also be in the environment, or in files named there."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.auth", description="A local emulator of Supabase Auth."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=4011, help="port; 0 lets the operating system choose"
    )
    parser.add_argument("--state", type=Path, help="file that stores accounts, sessions and keys")
    parser.add_argument("--public-url", default="", help="URL that clients use as SUPABASE_URL")
    parser.add_argument(
        "--anon-key",
        default=from_environment("SUPABASE_ANON_KEY"),
        help="defaults to SUPABASE_ANON_KEY",
    )
    parser.add_argument(
        "--service-role-key",
        default=from_environment("SUPABASE_SERVICE_ROLE_KEY"),
        help="defaults to SUPABASE_SERVICE_ROLE_KEY",
    )
    parser.add_argument(
        "--token-lifetime", type=int, default=DEFAULT_TOKEN_LIFETIME, help="in seconds"
    )
    arguments = parser.parse_args()
    if not arguments.anon_key or not arguments.service_role_key:
        parser.error("give --anon-key and --service-role-key (or set them in the environment)")
    return arguments


async def main(arguments: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
    settings = AuthSettings(
        anon_key=arguments.anon_key,
        service_role_key=arguments.service_role_key,
        public_url=arguments.public_url,
        state=arguments.state,
        token_lifetime=arguments.token_lifetime,
    )
    running = await start(settings, host=arguments.host, port=arguments.port)
    sys.stdout.write(f"auth ready on {running.url}\n")
    sys.stdout.flush()
    await stopped.wait()
    await running.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    malformed.shorten_logs()
    try:
        asyncio.run(main(read_arguments()))
    except (OSError, OverflowError, ValueError) as error:
        sys.exit(f"auth emulator can't start: {error}")
