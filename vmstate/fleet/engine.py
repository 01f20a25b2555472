"""Work on many items, on whatever `concurrent.futures` can submit to.

    for result in in_order(scan, files, pool_of(workers=2)):
        ...

Items go out in chunks, and results come back in the order of the items, whichever executor there is, or as they come
(`as_they_come`). Each worker has an executor of its own, so that items which are alike go to the worker that has met
their like; one that has nothing left takes from the others. A worker that dies costs the chunks that were under way in
it, which are tried again item by item, one at a time: so an item that has been the only one under way when a worker
died twice is known, and set aside. Nothing is lost and nothing comes twice.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar
from warnings import catch_warnings, simplefilter

from vmstate.errors import VMStateError
from vmstate.vmsd.data import Data

T = TypeVar("T")
R = TypeVar("R")

CHUNK = 50
"""Items of a chunk. An empty task takes a pool 0.6 ms and Dask 13, an item some ten."""

UNDER_WAY = 2
"""Chunks for each worker that are out at a time: so memory does not grow with the number of items."""

WINDOW = 4
"""Chunks for each worker that are looked through at a time for items that are alike."""

LONGEST_WAIT = 10
"""Seconds without a result, or for a first worker, after which it is asked whether there is any."""

MOST_KINDS = 10_000
"""Kinds of items of which it is known who has met them; then all are forgotten."""

DEATHS = 2
"""An item that was alone when a worker died so often is set aside."""


class Poison(Data):
    """An item that ended its worker each time that it was tried."""

    item: Any


class Engine(Data):
    """How to make the executor of each of some workers, by its number, and another when that breaks."""

    make: Callable[[int], Executor]
    workers: int
    close: Callable[[], Any]
    """Called when all is done, or given up: then nobody works on."""
    has_workers: Callable[[], bool] | None = None
    """Asked when nothing was done for a while: whether there is still somebody who could."""


def pool_of(workers: int) -> Engine:
    """A pool of processes on this machine."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # A process that is forked from one with threads may hang; and what a worker keeps must be its own.
    context = get_context("forkserver")
    # What is imported where they are forked from need not be imported in each.
    context.set_forkserver_preload(["__main__", "vmstate.fleet.scan"])
    lifeline, held = context.Pipe(duplex=False)
    return Engine(
        lambda _: ProcessPoolExecutor(1, context, initializer=_end_with_lifeline, initargs=(lifeline,)),
        workers,
        held.close,
    )


def _end_with_lifeline(lifeline: Connection) -> None:
    """End this worker when the other end of a pipe is closed: by who gives up, or the end of its process."""
    import signal
    from threading import Thread

    # Who asked for all of this decides what a Ctrl-C means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait_for_end() -> None:
        lifeline.poll(None)
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
        with catch_warnings():
            # Other versions are told below, in a line.
            simplefilter("ignore")
            client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise VMStateError(f"the scheduler does not answer: {' '.join(str(error).split())}", file=scheduler) from None
    except Exception as error:
        # One of another version does not know what it is asked, and what it raises is raised here.
        raise VMStateError(
            f"the scheduler is not understood: {_as_text(error)}; is Dask of the same version there as here, "
            f"{distributed.__version__}?",
            file=scheduler,
        ) from None
    try:
        addresses = _workers_of(client, distributed.__version__)
    except VMStateError as error:
        client.close()
        raise error.named(scheduler) from None

    def make(worker: int) -> Executor:
        # Where that worker has gone any other does.
        executor: Executor = client.get_executor(pure=False, workers=[addresses[worker]], allow_other_workers=True)
        return executor

    return Engine(make, len(addresses), client.close, lambda: bool(client.nthreads()))


def _workers_of(client: Any, version: str) -> list[str]:
    """The addresses of the workers of a scheduler. Raises `VMStateError` where it has none of our version."""
    try:
        client.wait_for_workers(1, timeout=LONGEST_WAIT)
        versions = client.get_versions()
    except (OSError, TimeoutError):
        raise VMStateError("the scheduler has no workers") from None
    sides = {"the scheduler": versions["scheduler"], **versions["workers"]}
    for side, told in sides.items():
        other = told["packages"].get("distributed") if told else None
        if other is not None and other != version:
            raise VMStateError(f"{side} has another version of Dask", expected=version, found=other)
    return sorted(client.nthreads())


def _work(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    return [function(item) for item in items]


class _Chunk(Data):
    numbers: Sequence[int]
    """The places of its items among all."""
    items: Sequence[Any]
    deaths: int = 0


def in_order(
    function: Callable[[T], R],
    items: Sequence[T],
    engine: Engine,
    *,
    chunk: int = CHUNK,
    kind_of: Callable[[T], Hashable] | None = None,
) -> Iterator[R | Poison]:
    """What a function gives for each item, in the order of the items; else as `as_they_come`."""
    done: dict[int, R | Poison] = {}
    position = 0
    for number, result in as_they_come(function, items, engine, chunk=chunk, kind_of=kind_of):
        done[number] = result
        while position in done:
            yield done.pop(position)
            position += 1


def as_they_come(
    function: Callable[[T], R],
    items: Sequence[T],
    engine: Engine,
    *,
    chunk: int = CHUNK,
    kind_of: Callable[[T], Hashable] | None = None,
    enough: Callable[[], bool] | None = None,
) -> Iterator[tuple[int, R | Poison]]:
    """The number of each item and what a function gives for it, when it does; `Poison` for one that was set aside.

    The function and the items are pickled. `kind_of`, which is called here, gives the same for items that are better
    done by one worker, None for one that any may do. Where there is `enough` nothing more goes out, and what is under
    way still comes. What the function raises is raised here, but for the death of a worker. A scheduler that goes away
    raises `VMStateError`; what was yielded before that stands. The engine is closed at the end.
    """
    yield from _Run(function, items, engine, chunk, kind_of, enough).results()


class _Run(Generic[T, R]):
    """One run over items."""

    def __init__(
        self,
        function: Callable[[T], R],
        items: Sequence[T],
        engine: Engine,
        chunk: int,
        kind_of: Callable[[T], Hashable] | None,
        enough: Callable[[], bool] | None,
    ) -> None:
        self.function = function
        self.items = items
        self.engine = engine
        self.chunk = chunk
        self.kind_of = kind_of
        self.enough = enough
        self.window = WINDOW * engine.workers * chunk
        self.position = 0
        """Of so many items from the first on all results were yielded; of those behind them, `ahead`."""
        self.ahead: set[int] = set()
        self.looked_through = 0
        self.worker_of: dict[Hashable, int] = {}
        self.waiting: list[deque[_Chunk]] = [deque() for _ in range(engine.workers)]
        self.suspects: deque[_Chunk] = deque()
        self.out: dict[Future[list[R]], tuple[_Chunk, int]] = {}
        self.executors = [engine.make(worker) for worker in range(engine.workers)]

    def results(self) -> Iterator[tuple[int, R | Poison]]:
        """All results, with the numbers of their items."""
        try:
            while self.position < len(self.items):
                is_enough = self.enough is not None and self.enough()
                if is_enough and not self.out:
                    return
                if not is_enough:
                    self.send_out()
                for number, result in self.taken_in():
                    self.ahead.add(number)
                    yield number, result
                while self.position in self.ahead:
                    self.ahead.remove(self.position)
                    self.position += 1
        finally:
            for executor in self.executors:
                # Of a scheduler that has gone this cannot be asked.
                with suppress(Exception):
                    executor.shutdown(wait=False)
            with suppress(Exception):
                self.engine.close()

    def send_out(self) -> None:
        """Send out what can be."""
        if self.suspects and not self.out:
            self.send(self.suspects.popleft(), 0)
        elif not self.suspects:
            for worker in range(self.engine.workers):
                free = UNDER_WAY - sum(sent_to == worker for _, sent_to in self.out.values())
                while free > 0 and (chunk := self.next_for(worker)) is not None:
                    self.send(chunk, worker)
                    free -= 1

    def taken_in(self) -> Iterator[tuple[int, R | Poison]]:
        """What was done next, also where something else failed in the meantime, which is raised then."""
        finished, _ = wait(self.out, timeout=LONGEST_WAIT, return_when=FIRST_COMPLETED)
        failure: Exception | None = None
        if not finished and self.engine.has_workers is not None:
            try:
                has_workers = self.engine.has_workers()
            except Exception as error:
                raise _gone(error) from None
            if not has_workers:
                raise VMStateError("the workers are gone: the scheduler has none left")
        for future in finished:
            chunk, _ = self.out.pop(future)
            try:
                results = future.result()
            except Exception as error:
                if _is_death(error):
                    yield from self.died(chunk)
                elif isinstance(error, ImportError):
                    # Nothing is pickled here that cannot be imported here.
                    failure = VMStateError(f"a worker lacks what it needs: {_as_text(error)}")
                else:
                    failure = _gone(error) if _is_of_scheduler(error) else error
            else:
                yield from zip(chunk.numbers, results, strict=True)
        if failure is not None:
            raise failure from None

    def next_for(self, worker: int) -> _Chunk | None:
        """What a worker is to do next; where nothing of its own is left, what another would do last."""
        while not self.waiting[worker] and self.looked_through < min(len(self.items), self.position + 2 * self.window):
            self.look_through()
        if self.waiting[worker]:
            return self.waiting[worker].popleft()
        longest = max(self.waiting, key=len)
        return longest.pop() if longest else None

    def look_through(self) -> None:
        """Share out the next items."""
        numbers = range(self.looked_through, min(len(self.items), self.looked_through + self.window))
        self.looked_through = numbers.stop
        by_kind: dict[Hashable, list[int]] = {}
        for number in numbers:
            kind = None if self.kind_of is None else self.kind_of(self.items[number])
            by_kind.setdefault(("any", number // self.chunk) if kind is None else kind, []).append(number)
        shares: list[list[int]] = [[] for _ in self.waiting]
        for kind, alike in by_kind.items():
            least = min(range(len(shares)), key=lambda worker: len(shares[worker]))
            shares[self.worker_of.setdefault(kind, least)] += alike
        if len(self.worker_of) > MOST_KINDS:
            self.worker_of.clear()
        for waiting, share in zip(self.waiting, shares, strict=True):
            for start in range(0, len(share), self.chunk):
                part = share[start : start + self.chunk]
                waiting.append(_Chunk(part, [self.items[number] for number in part]))

    def send(self, chunk: _Chunk, worker: int) -> None:
        """Submit a chunk to a worker; a pool that is broken is made anew."""
        try:
            future = self.executors[worker].submit(_work, self.function, chunk.items)
        except Exception as error:
            if not _is_death(error):
                raise _gone(error) from None
            # What was under way in the old one is lost with it.
            self.executors[worker].shutdown(wait=False)
            self.executors[worker] = self.engine.make(worker)
            try:
                future = self.executors[worker].submit(_work, self.function, chunk.items)
            except Exception as again:
                raise _gone(again) from None
        self.out[future] = chunk, worker

    def died(self, chunk: _Chunk) -> Iterator[tuple[int, Poison]]:
        """A worker died with a chunk, or beside it: its items are tried one at a time."""
        alone = len(chunk.items) == 1 and not self.out
        deaths = chunk.deaths + alone
        if deaths >= DEATHS:
            yield chunk.numbers[0], Poison(chunk.items[0])
            return
        for number, item in zip(chunk.numbers, chunk.items, strict=True):
            self.suspects.append(_Chunk([number], [item], deaths))


def _is_death(error: BaseException) -> bool:
    """Whether an exception says that a worker has gone, by the names that a pool and Dask have for it."""
    return type(error).__name__ in ("BrokenProcessPool", "KilledWorker", "BrokenExecutor", "FutureCancelledError")


def _is_of_scheduler(error: BaseException) -> bool:
    """Whether an exception says that a scheduler has gone, or is of a version that is not ours.

    What breaks inside Dask itself does: where a scheduler goes, its own code can stumble over what it was told last.
    """
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    raised_in = "" if place is None else str(place.tb_frame.f_globals.get("__name__"))
    modules = {name.partition(".")[0] for name in (type(error).__module__, raised_in)}
    return bool(modules & {"distributed", "dask", "tornado"}) or isinstance(
        error, CancelledError | OSError | TimeoutError
    )


def _gone(error: BaseException) -> VMStateError:
    return VMStateError(f"the workers are gone: {_as_text(error)}")


def _as_text(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")[:200]
