"""Runs a worker in this process: the application, its watchdog and its HTTP server, until it is told to stop."""

import asyncio
import fcntl
import logging
import signal
import threading
import time
from pathlib import Path
from typing import IO, Any

import faust
import uvloop
from aiohttp import web
from mode import Service

from agents.runtime.app import RuntimeApp
from agents.runtime.fatal import EXIT_FAILED, end_process, in_words
from agents.runtime.health import Sight, Watchdog

log = logging.getLogger(__name__)


class Attendant(Service):
    """Beats for the watchdog, and serves /livez, /readyz and /metrics."""

    def __init__(self, app: RuntimeApp, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._app = app
        self._sight = self._look()
        self._watchdog = Watchdog(app.settings.stall_timeout_s, lambda: self._sight)
        self._runner: web.AppRunner | None = None

    def _look(self) -> Sight:
        app = self._app
        settled = app.assigned is not None and not app.rebalancing
        consumer = app.batch_consumer if settled else None
        return Sight(
            beat=time.monotonic(),
            answered=consumer.heard.last_answer if consumer else 0.0,
            assigned=settled and bool(app.assigned) and app.ready,
            settled=settled,
            backlog=sum(n for _, n in (*app.lag(), *app.recovery_left())) if settled else 0,
            progress=app.progress(),
        )

    async def on_start(self) -> None:
        self._watchdog.start()
        settings = self._app.settings
        if settings.http_port is None:
            return
        site = web.Application()
        site.add_routes([
            web.get("/livez", self._livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics),
        ])  # fmt: skip
        self._runner = web.AppRunner(site, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, settings.http_host, settings.http_port).start()
        except OSError as error:
            where = f"{settings.http_host}:{settings.http_port}"
            end_process(f"health and metrics cannot be served on {where}: {error.strerror or error}", error)
        log.info("serving health and metrics on http://%s:%s", *self._runner.addresses[0][:2])

    @Service.task
    async def _beating(self) -> None:
        while not self.should_stop:
            self._sight = self._look()
            refusal = self._app.refusal
            if refusal is not None:
                end_process(f"the group {self._app.settings.app_id} refuses this worker: {in_words(refusal)}", refusal)
            await asyncio.sleep(0.5)

    async def on_stop(self) -> None:
        self._watchdog.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        # The watchdog ends a process that does not live, and a loop that hangs gives no answer.
        return web.Response(text="ok\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready = self._app.ready
        parts = {share.name: share.at_work for share in self._app.shares}
        return web.json_response({"ready": ready, "partitions": parts}, status=200 if ready else 503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._app.metrics.exposition(), content_type="text/plain", charset="utf-8")


class Worker(faust.Worker):
    """Faust's worker, which leaves logging to its caller and never takes long to stop."""

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        app = self.app
        assert isinstance(app, RuntimeApp)
        limit = app.settings.shutdown_timeout_s
        deadline = threading.Timer(limit, end_process, (f"it was told to stop and had not stopped after {limit:g} s",))
        deadline.daemon = True
        deadline.start()
        super()._schedule_shutdown(signal)

    async def _sentinel_task(self) -> None:
        # Faust waits a second here for tasks that nobody has.
        await asyncio.sleep(0)


def run(app: RuntimeApp) -> int:
    """Runs the worker until SIGTERM or SIGINT; returns its exit status: 0 after an orderly stop.

    What cannot be gone on with ends the process at once, with EXIT_FAILED and its reason on stderr.
    """
    held = _hold(app.settings.data_dir)
    # As the policy, because Faust makes a second loop, for the Kafka client's thread.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = Worker(app, Attendant(app), loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    finally:
        held.close()
    return 0


def _hold(directory: Path) -> IO[bytes]:
    """Locks the directory of local state for this process alone; the kernel frees it when the process ends.

    RocksDB locks each partition, and so two workers in one directory would fall out only when a partition moves.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("wb")
    except OSError as error:
        end_process(f"local state cannot be kept in {directory}: {error.strerror}", error)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        end_process(f"{directory} is in use by another process: each worker needs a directory of its own", error)
    return lock
