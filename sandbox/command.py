"""The command line of the provider's stand-in."""

import asyncio
import logging
import signal
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from sandbox import malformed
from sandbox.server import start
from sandbox.settings import DEFAULT_BALANCE, DEFAULT_PORT, Settings
from sandbox.state.bundles import CatalogueError
from sandbox.state.store import StateError
from sandbox.switches import SwitchError, Switches


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = await start(settings)
    click.echo(f"sandbox ready on {running.url}")
    sys.stdout.flush()
    await stop.wait()
    await running.stop()


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    help="Port; 0 lets the operating system choose.",
)
@click.option("--api-key", default=Settings().api_key, help="API key that clients must send.")
@click.option("--seed", default=1, show_default=True, help="Seed of all generated identifiers.")
@click.option("--balance", default=str(DEFAULT_BALANCE), show_default=True)
@click.option("--currency", default="USD", show_default=True)
@click.option(
    "--catalogue", type=click.Path(dir_okay=False, path_type=Path), help="File of bundles to sell."
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File in which the state is stored.",
)
@click.option("--callback-url", help="URL to which callbacks are posted.")
@click.option(
    "--set", "switches", multiple=True, metavar="NAME=VALUE", help="Set a switch; repeatable."
)
@click.option("--verbose", is_flag=True, help="Log every request.")
def main(
    host: str,
    port: int,
    api_key: str,
    seed: int,
    balance: str,
    currency: str,
    catalogue: Path | None,
    state: Path | None,
    callback_url: str | None,
    switches: tuple[str, ...],
    verbose: bool,
) -> None:
    """Run a stateful stand-in for eSIM Go v2.5, with an admin API at /_control."""
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING)
    malformed.shorten_logs()
    chosen = Switches()
    try:
        for item in switches:
            name, _, value = item.partition("=")
            chosen.change(name, value)
        settings = Settings(
            host=host,
            port=port,
            api_key=api_key,
            seed=seed,
            balance=Decimal(balance),
            currency=currency,
            catalogue=catalogue,
            state=state,
            callback_url=callback_url,
            switches=chosen,
        )
        asyncio.run(serve(settings))
    except SwitchError as error:
        raise click.BadParameter(str(error), param_hint="--set") from error
    except InvalidOperation as error:
        raise click.BadParameter("not an amount of money", param_hint="--balance") from error
    except CatalogueError as error:
        # Exit status 2, as for any wrong option: a restart would not help.
        raise click.BadParameter(str(error), param_hint="--catalogue") from error
    except StateError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"can't listen on {host}:{port}: {error.strerror}") from error
