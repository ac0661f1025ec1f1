"""The models of the targets, which come and go while the server serves: by request, or as their files change.

A model is loaded beside the one that it replaces and warmed up; then all further requests go to it at once, and the
old one ends when it has answered those it had. A model that cannot be loaded changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from gaal.cli.warm_up import started
from gaal.components.boundary import last_line
from gaal.components.model_uri import is_remote
from gaal.errors import ComponentLoadError, GaalError, MessageError, NotFound
from gaal.executor.deployment import RunningDeployment
from gaal.graph.deployment import Deployment
from gaal.messages import Message
from gaal.transport.deployments import Deployments

logger = logging.getLogger("gaal")

N_REMEMBERED = 8
"""How many of the latest requests to a model warm up the one that replaces it."""

WATCH_S = 1.0

State: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""The files of a model: path, time of change in ns, size, inode."""


class Repository:
    """The live set of models. `scan` gives what the targets hold now; it may block, and runs on a thread.

    `files` is what the files of each model were like before it was loaded.
    """

    def __init__(
        self,
        deployments: Deployments,
        scan: Callable[[], Sequence[Deployment]],
        make: Callable[[Deployment], RunningDeployment],
        drain_timeout_s: float,
        files: Mapping[str, State],
    ) -> None:
        self._files = dict(files)
        self._deployments = deployments
        self._scan = scan
        self._make = make
        self._drain_timeout_s = drain_timeout_s
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._names = set(files)
        for each in deployments:
            each.running.remember(N_REMEMBERED)

    def names(self) -> Collection[str]:
        return sorted(self._names)

    async def load(self, name: str) -> None:
        """As `ModelRepository.load`."""
        async with self._changing:
            found = {each.name: each for each in await asyncio.to_thread(self._scan)}
            if name not in found:
                known = ", ".join(sorted(found)) or "none"
                raise NotFound(f"there is no model {name} to load: those there are {known}")
            self._names = set(found)
            await self._put(found[name])

    async def unload(self, name: str) -> None:
        """As `ModelRepository.unload`. Requests under way are answered."""
        async with self._changing:
            served = self._deployments.find("", name)
            if name not in self._names:
                raise NotFound(f"{name} is no model of the targets, and stays: those are {', '.join(self.names())}")
            self._retire(self._deployments.remove(served.namespace, name))

    async def close(self) -> None:
        """Stop watching, and let go of what was replaced."""
        tasks = [*self._retiring, *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # One model.

    async def _put(self, deployment: Deployment) -> None:
        new = self._make(deployment)
        try:
            await started(new)
        except GaalError as error:
            await new.close()
            said = f"{deployment.name} is not loaded: {error}"
            raise MessageError(said) from error if isinstance(error, ComponentLoadError) else None
        except BaseException:
            await new.close()
            raise
        await self._warm_up(new, self._recent(deployment))
        new.remember(N_REMEMBERED)
        replaced = self._deployments.put(new)
        if replaced is not None:
            self._retire(replaced)
        logger.info("%s is loaded", deployment.name)

    def _recent(self, deployment: Deployment) -> Sequence[Message]:
        """The latest requests to the model that is to be replaced."""
        with suppress(NotFound):
            return self._deployments.find(deployment.namespace, deployment.name).running.recent
        return ()

    async def _warm_up(self, new: RunningDeployment, recent: Sequence[Message]) -> None:
        try:
            await new.warm_up(recent)
        except GaalError as error:  # requests of a client may be wrong, and a new model may take others
            logger.warning("%s: a request to the model before was refused: %s", new.deployment.name, error)

    def _retire(self, old: RunningDeployment) -> None:
        async def end() -> None:
            try:
                await old.drain(self._drain_timeout_s)
            finally:
                await asyncio.shield(old.close())

        task = asyncio.create_task(end())
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    # All of them, as their files change.

    def watch(self, every_s: float = WATCH_S) -> None:
        """Load what comes and what changes, and unload what goes, from now on."""
        self._watching = asyncio.create_task(self._watch(every_s))

    async def _watch(self, every_s: float) -> None:
        loaded = self._files
        before: Mapping[str, State] = dict(loaded)
        while True:
            await asyncio.sleep(every_s)
            try:
                now = await asyncio.to_thread(lambda: states(self._scan()))
            except Exception as error:  # the folder may be gone, and come back
                logger.warning("the models cannot be looked at: %s", last_line(error))
                continue
            for name in [each for each in loaded if each not in now]:
                await self._try("unloaded", name, self.unload)
                del loaded[name]
            for name, state in now.items():
                # Files that still change are being written.
                if state != loaded.get(name) and state == before.get(name):
                    loaded[name] = state
                    await self._try("loaded", name, self.load)
            before = now

    async def _try(self, what: str, name: str, change: Callable[[str], Awaitable[None]]) -> None:
        try:
            await change(name)
        except GaalError as error:
            logger.error("%s cannot be %s: %s", name, what, error)
        except Exception:
            logger.exception("%s cannot be %s", name, what)


def states(deployments: Iterable[Deployment]) -> dict[str, State]:
    """What the files of each deployment look like now."""
    return {each.name: _state(each) for each in deployments}


def _state(deployment: Deployment) -> State:
    """What the files of a model look like. Of one that is far away there are none."""
    files: dict[str, tuple[str, int, int, int]] = {}
    for predictor in deployment.predictors:
        for unit in predictor.graph.walk():
            if unit.model_uri and not is_remote(unit.model_uri):
                files |= {str(each): _file_state(each) for each in _files(Path(unit.model_uri))}
    return tuple(files[name] for name in sorted(files))


def _files(path: Path) -> Sequence[Path]:
    return [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]


def _file_state(file: Path) -> tuple[str, int, int, int]:
    try:
        found = file.stat()
    except OSError:  # gone since it was listed
        return str(file), 0, 0, 0
    return str(file), found.st_mtime_ns, found.st_size, found.st_ino
