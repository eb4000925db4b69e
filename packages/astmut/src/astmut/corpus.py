"""Many items, one worker function, a stream of results in the order of the items, whatever happens to the workers.

libcst parses by native recursion and the system may run out of memory: a worker process can die without raising
anything. Here that costs the one item it worked on. ``concurrent.futures`` gives up the whole pool instead.
"""

from __future__ import annotations

import io
import multiprocessing
import pickle
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

Item = TypeVar("Item")

# Results travel in packets, so that small ones cost little and the first one is not kept waiting.
PACKET_BYTES = 64 * 1024
PACKET_SECONDS = 0.05
# Results that wait for their turn. Above this only the worker whose turn it is may send; the others block.
WAITING_BYTES = 16 * 1024 * 1024
# How far, in items, workers may run ahead of the one whose turn it is; each costs a little even without results.
AHEAD = 64


class Died(NamedTuple):
    """Stands for the rest of an item's results: the worker process is gone, or raised what it should not."""

    reason: str


def run(
    work: Callable[[Item], Iterable[object]], items: Iterable[Item], jobs: int = 1
) -> Generator[tuple[Item, object], None, None]:
    """Yield ``(item, result)`` for each result of ``work(item)``, computed in ``jobs`` other processes.

    The order is that of the items, and within an item that of its results: the number of processes has no influence
    on the outcome. An exception or the death of a process gives one ``Died`` in the place of the item's remaining
    results. Results wait in bounded memory: a slow reader slows the workers down. Where processes are not forked,
    ``work`` and items must be picklable. Closing the iterator ends the processes.
    """
    pool = _Pool(work, items, jobs)
    try:
        yield from pool.results()
    finally:
        pool.stop()


class _Worker(Generic[Item]):
    """A process, the line to it, and the number of the item that it works on (-1 for none)."""

    def __init__(self, work: Callable[[Item], Iterable[object]]) -> None:
        context = _context()
        self.line, other = context.Pipe()
        self.number = -1
        forked = context.get_start_method() == "fork"
        self.process = context.Process(  # type: ignore[attr-defined]
            target=_serve, args=(work, other, self.line if forked else None), daemon=True
        )
        with _interrupts_held():
            self.process.start()
        other.close()

    def give(self, number: int, item: Item) -> None:
        self.number = number
        with suppress(BrokenPipeError, ConnectionResetError):  # a dead one shows when its results are asked for
            self.line.send(item)

    def receive(self) -> bytes | None:
        """Return a packet of results, None where the process has died."""
        try:
            return self.line.recv_bytes()
        except (EOFError, OSError):
            return None

    def epitaph(self) -> Died:
        """Return why the process died; it must have."""
        self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            try:
                return Died(f"its process was ended by {signal.Signals(-code).name}")
            except ValueError:
                pass
        return Died(f"its process ended with status {code}")

    def stop(self) -> None:
        self.line.close()
        self.process.kill()
        self.process.join()


class _Pool(Generic[Item]):
    """The workers, and the packets that came before their turn."""

    def __init__(self, work: Callable[[Item], Iterable[object]], items: Iterable[Item], jobs: int) -> None:
        self.work, self.jobs = work, jobs
        self.todo = enumerate(items)
        self.turn = 0  # the number of the item whose results are yielded now
        self.given: dict[int, Item] = {}
        self.packets: dict[int, deque[bytes]] = {}
        self.ended: dict[int, Died | None] = {}
        self.waiting = 0
        self.workers: list[_Worker[Item]] = []

    def results(self) -> Iterator[tuple[Item, object]]:
        self._hand_out()
        while self.given:
            yield from self._of_turn()
            self._hand_out()
            busy = {worker.line: worker for worker in self.workers if worker.number in self.given}
            open_lines = [line for line, worker in busy.items() if self._may_send(worker)]
            if self.turn in self.given and self.turn not in self.ended:
                for line in wait(open_lines):
                    self._receive(busy[line])  # type: ignore[index]

    def _may_send(self, worker: _Worker[Item]) -> bool:
        return worker.number == self.turn or self.waiting < WAITING_BYTES

    def _hand_out(self) -> None:
        """Give every idle worker an item; there are as many workers as are needed, at most ``jobs``."""
        while self.waiting < WAITING_BYTES and len(self.given) < AHEAD:
            worker = next((one for one in self.workers if one.number < 0), None)
            if worker is None and len(self.workers) == self.jobs:
                return
            try:
                number, item = next(self.todo)
            except StopIteration:
                return
            if worker is None:
                worker = _Worker(self.work)
                self.workers.append(worker)
            self.given[number], self.packets[number] = item, deque()
            worker.give(number, item)

    def _receive(self, worker: _Worker[Item]) -> None:
        packet = worker.receive()
        if packet is None:
            self.ended[worker.number] = worker.epitaph()
            self.workers.remove(worker)
            worker.stop()
        elif packet:
            self.packets[worker.number].append(packet)
            self.waiting += len(packet)
        else:
            self.ended[worker.number] = None
            worker.number = -1

    def _of_turn(self) -> Iterator[tuple[Item, object]]:
        """Yield what has come of the item whose turn it is, and of those behind it while they are complete."""
        while self.turn in self.given:
            item, packets = self.given[self.turn], self.packets[self.turn]
            while packets:
                packet = packets.popleft()
                self.waiting -= len(packet)
                for result in _unpacked(packet):
                    yield item, result
            if self.turn not in self.ended:
                return
            death = self.ended.pop(self.turn)
            del self.given[self.turn], self.packets[self.turn]
            self.turn += 1
            if death is not None:
                yield item, death

    def stop(self) -> None:
        with _interrupts_held():  # a second Ctrl-C would leave some of them
            for worker in self.workers:
                worker.stop()


def _context() -> BaseContext:
    """Return how processes are started: by fork on Linux, where that is safe and takes no second import."""
    return multiprocessing.get_context("fork" if sys.platform == "linux" else None)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back, while a process is born (which would inherit the way it is handled here) or ended."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(work: Callable[[Any], Iterable[object]], line: Connection, parents_end: Connection | None) -> None:
    """Work on items until the parent hangs up. An empty packet says that an item's results are complete."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if parents_end is not None:
        parents_end.close()  # or the parent's death would not be noticed
    try:
        while True:
            item = line.recv()
            for packet in _packets(_results(work, item)):
                line.send_bytes(packet)
            line.send_bytes(b"")
    except (EOFError, OSError):
        return


def _results(work: Callable[[Item], Iterable[object]], item: Item) -> Iterator[object]:
    try:
        yield from work(item)
    except MemoryError:
        yield Died("out of memory")
    except Exception as error:  # noqa: BLE001 - whatever a rule of somebody else's may raise
        frames = traceback.extract_tb(error.__traceback__)
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        yield Died(f"internal error, please report it: {type(error).__name__}: {error}{where}")


def _packets(results: Iterable[object]) -> Iterator[bytes]:
    buffer, since = io.BytesIO(), time.monotonic()
    for result in results:
        pickle.dump(result, buffer, pickle.HIGHEST_PROTOCOL)
        if buffer.tell() >= PACKET_BYTES or time.monotonic() - since >= PACKET_SECONDS:
            yield buffer.getvalue()
            buffer, since = io.BytesIO(), time.monotonic()
    if buffer.tell():
        yield buffer.getvalue()


def _unpacked(packet: bytes) -> Iterator[object]:
    buffer = io.BytesIO(packet)
    while buffer.tell() < len(packet):
        yield pickle.load(buffer)  # noqa: S301 - from our own process
