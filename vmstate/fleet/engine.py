"""Work on many items, on whatever `concurrent.futures` can submit to.

    for result in in_order(scan, files, pool_of(workers=2)):
        ...

Items go out in chunks, and results come back in the order of the items, whichever executor there is. A worker that
dies costs the chunks that were under way, which are tried again item by item, one at a time: so an item that has been
the only one under way when a worker died twice is known, and set aside. Nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import suppress
from importlib import import_module
from typing import Any, Generic, TypeVar

from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 50
"""Items of a chunk. An empty task takes a pool 0.6 ms and Dask 13, an item some ten."""

UNDER_WAY = 2
"""Chunks for each worker that are out at a time: so memory does not grow with the number of items."""

DEATHS = 2
"""An item that was alone when a worker died so often is set aside."""


class Poison(Data):
    """An item that ended its worker each time that it was tried."""

    item: Any


class Engine(Data):
    """An executor and how to make another when it breaks. `workers` is how many chunks it works on at a time."""

    make: Callable[[], Executor]
    workers: int
    close: Callable[[], Any] | None = None
    """Called when all is done, or given up."""


def pool_of(workers: int) -> Engine:
    """A pool of processes on this machine."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A process that is forked from one with threads may hang; and what a worker keeps must be its own.
    context = get_context("forkserver")
    return Engine(lambda: ProcessPoolExecutor(workers, context, initializer=_end_with_parent), workers)


def _end_with_parent() -> None:
    """End this worker when the process that started it ends, however that comes about."""
    from multiprocessing import parent_process
    from threading import Thread

    parent = parent_process()

    def wait_for_end() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=wait_for_end, daemon=True).start()


def cluster_of(scheduler: str) -> Engine:
    """The workers of a Dask scheduler, by its address (tcp://HOST:PORT). Raises `VMStateError`."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise VMStateError("a scheduler needs Dask: pip install distributed") from None
    # What it says of a connection that is lost, we say in a line.
    for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise VMStateError(f"the scheduler does not answer: {' '.join(str(error).split())}", file=scheduler) from None
    workers = len(client.nthreads()) or 1
    return Engine(lambda: client.get_executor(pure=False), workers, client.close)


def _work(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]


class _Chunk(Data):
    start: int
    items: Sequence[Any]
    deaths: int = 0


def in_order(
    function: Callable[[T], R], items: Sequence[T], engine: Engine, *, chunk: int = CHUNK
) -> Iterator[R | Poison]:
    """What a function gives for each item, in the order of the items; `Poison` for one that was set aside.

    The function and the items are pickled. What it raises is raised here, but for the death of a worker. A scheduler
    that goes away raises `VMStateError`; what was yielded before that stands.
    """
    yield from _Run(function, items, engine, chunk).results()


class _Run(Generic[T, R]):
    """One run over items."""

    def __init__(self, function: Callable[[T], R], items: Sequence[T], engine: Engine, chunk: int) -> None:
        self.function = function
        self.engine = engine
        self.total = len(items)
        self.waiting = deque(_Chunk(start, items[start : start + chunk]) for start in range(0, len(items), chunk))
        self.suspects: deque[_Chunk] = deque()
        self.done: dict[int, list[R | Poison]] = {}
        self.out: dict[Future[list[R]], _Chunk] = {}
        self.executor = engine.make()

    def results(self) -> Iterator[R | Poison]:
        """All results."""
        position = 0
        try:
            while position < self.total:
                while position in self.done:
                    ready = self.done.pop(position)
                    yield from ready
                    position += len(ready)
                if position < self.total:
                    self.step()
        finally:
            # Of a scheduler that has gone none of this can be asked.
            with suppress(Exception):
                for future in self.out:
                    future.cancel()
                self.executor.shutdown(wait=False)
            if self.engine.close is not None:
                with suppress(Exception):
                    self.engine.close()

    def step(self) -> None:
        """Send out what can be, and take in what is done."""
        if self.suspects and not self.out:
            self.send(self.suspects.popleft())
        elif not self.suspects:
            while self.waiting and len(self.out) < self.engine.workers * UNDER_WAY:
                self.send(self.waiting.popleft())
        finished, _ = wait(self.out, return_when=FIRST_COMPLETED)
        for future in finished:
            chunk = self.out.pop(future)
            try:
                self.done[chunk.start] = list(future.result())
            except Exception as error:
                if _is_death(error):
                    self.died(chunk)
                elif _is_of_scheduler(error):
                    raise _gone(error) from None
                else:
                    raise

    def send(self, chunk: _Chunk) -> None:
        """Submit a chunk; a pool that is broken is made anew."""
        try:
            self.out[self.executor.submit(_work, self.function, chunk.items)] = chunk
        except Exception as error:
            if not _is_death(error):
                raise _gone(error) from None
            self.again()
            try:
                self.out[self.executor.submit(_work, self.function, chunk.items)] = chunk
            except Exception as again:
                raise _gone(again) from None

    def again(self) -> None:
        """Another executor; what was under way in the old one is lost with it."""
        self.executor.shutdown(wait=False)
        self.executor = self.engine.make()

    def died(self, chunk: _Chunk) -> None:
        """A worker died with a chunk, or beside it: its items are tried one at a time."""
        alone = len(chunk.items) == 1 and not self.out
        deaths = chunk.deaths + alone
        if deaths >= DEATHS:
            self.done[chunk.start] = [Poison(chunk.items[0])]
            return
        for number, item in enumerate(chunk.items):
            self.suspects.append(_Chunk(chunk.start + number, [item], deaths))


def _is_death(error: BaseException) -> bool:
    """Whether an exception says that a worker has gone, by the names that a pool and Dask have for it."""
    return type(error).__name__ in ("BrokenProcessPool", "KilledWorker", "BrokenExecutor", "FutureCancelledError")


def _is_of_scheduler(error: BaseException) -> bool:
    """Whether an exception says that a scheduler has gone, or is of a version that is not ours."""
    module = type(error).__module__.partition(".")[0]
    return module in ("distributed", "dask", "tornado") or isinstance(error, CancelledError | OSError | TimeoutError)


def _gone(error: BaseException) -> VMStateError:
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return VMStateError(f"the workers are gone: {text[:200]}")
