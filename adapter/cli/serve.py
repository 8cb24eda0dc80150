"""`silta serve`: the doors and the delivery, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from adapter.config import Content, Settings
    from adapter.config.run import Running
    from adapter.server.readers import Readers


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="run the doors and the delivery",
        description="Take messages in over HTTP and deliver them. Stops in order on SIGTERM or Ctrl-C; reads "
        "its maps again on SIGHUP, and uses them if their cases hold. Does not start if anything in the "
        "settings is wrong: every fault is listed, exit 2.",
    )
    config_argument(parser)
    parser.add_argument(
        "--watch", action="store_true", help="read maps again whenever their folder has changed"
    )
    parser.add_argument(
        "--hold",
        action="store_true",
        help="send nothing until `silta hold lift`: for a store that was restored",
    )
    parser.add_argument(
        "--shadow",
        action="store_true",
        help="map, judge, decide and send nothing; in a store of its own, which stays a shadow",
    )
    parser.set_defaults(run=run)


def config_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--config` to a command that needs a deployment."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("SILTA_CONFIG", "silta.toml")),
        metavar="FILE",
        help="settings of the deployment (default: $SILTA_CONFIG, else silta.toml)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; return the exit code."""
    from adapter import config
    from adapter.server import log
    from adapter.server.listen import bind

    settings = config.load(arguments.config)
    log.to_stderr()
    content = config.read_content(settings)
    # Before there are threads and an event loop: what they hold cannot be forked.
    readers = config.readers_of(settings, content)
    listener = bind(*settings.listen)
    return asyncio.run(_serve(settings, listener, arguments, content, readers))


async def _serve(
    settings: Settings,
    listener: object,
    arguments: argparse.Namespace,
    content: Content,
    readers: Readers,
) -> int:
    from adapter.cli import INTERNAL, OK
    from adapter.config.run import running
    from adapter.server import log

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop)
    asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, asked.set)
    async with running(
        settings,
        listener,  # type: ignore[arg-type]
        watch=arguments.watch,
        hold=arguments.hold,
        shadow=arguments.shadow,
        content=content,
        readers=readers,
    ) as adapter:
        gc.freeze()  # maps and profiles stay: nobody need look through them again and again
        await asyncio.to_thread(adapter.deployment.store.keep_ballast)
        reloading = asyncio.create_task(_reload_when(asked, adapter))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, adapter.delivery}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        reloading.cancel()
        error = adapter.delivery.exception() if adapter.delivery.done() else None
        if error is not None:
            # Nobody may believe that messages still go out: the process ends and its supervisor sees it.
            log.say_error("delivery-ended", error)
            return INTERNAL
    return OK


def _stop(stop: asyncio.Event) -> None:
    """Stop in order; asked a second time, end now: what is on the wire goes again after its lease."""
    from adapter.cli import INCOMPLETE

    if stop.is_set():
        os._exit(INCOMPLETE)
    stop.set()


async def _reload_when(asked: asyncio.Event, adapter: Running) -> None:
    while True:
        await asked.wait()
        asked.clear()
        await adapter.reload("SIGHUP")
