"""Programs in, their mutants out, in order, by several processes, whatever happens to these.

Fresh processes that talk in JSON lines, rather than ``concurrent.futures``: the parent has threads (torch,
tokenizers), so it must not fork; nothing imports torch again; and a worker that dies (libcst parses by native
recursion) costs one program, not the pool.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import SimpleQueue

from synctrain.negatives import mutants
from synctrain.negatives.mutants import Piece, Recipe, Refused

Answer = list[Piece] | Refused

# Takes over the parent's search path before anything else is imported.
BOOT = "import runpy, sys; sys.path[:] = sys.argv[2:]; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
# How many programs may wait for their turn, a process: enough that a slow one does not keep the others idle.
AHEAD = 64


class Worker:
    """A process that answers one program at a time."""

    def __init__(self, how: Recipe) -> None:
        """Start it and give it the recipe.

        Raises:
            ChildProcessError: it does not start, or knows one of the rules not.
        """
        self._talking = threading.Lock()
        path = [entry for entry in sys.path if isinstance(entry, str)]
        self.process = subprocess.Popen(  # noqa: S603 - this Python, with a file of our own
            [sys.executable, "-c", BOOT, str(Path(mutants.__file__)), *path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="ascii",
        )
        complaint = self._exchange(how)
        if complaint != "":
            self.stop()
            raise ChildProcessError(
                f"a process that makes mutants does not start: {complaint or 'see its message above'}"
            )

    def ask(self, code: str) -> Answer | None:
        """Return what becomes of a program; None where the process has died."""
        answer = self._exchange(code)
        if isinstance(answer, dict):
            return next(Refused(kind, reason) for kind, reason in answer.items())
        return [Piece(*each) for each in answer] if isinstance(answer, list) else None

    def stop(self) -> None:
        """End the process, which ends a thread's exchange with it; no more is asked of it."""
        self.process.kill()
        self.process.wait()
        with self._talking:  # a pipe must not be closed while a thread reads from it or writes to it
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # unsent bytes of a dead one's last program
                        pipe.close()

    def _exchange(self, message: object) -> object:
        """Send a JSON line and return the one that comes back, None where the process has died."""
        send, receive = self.process.stdin, self.process.stdout
        if send is None or receive is None:
            return None
        with self._talking:
            if send.closed:
                return None
            try:
                print(json.dumps(message), file=send, flush=True)
                line = receive.readline()
            except OSError:
                return None
        return json.loads(line) if line.endswith("\n") else None


class Workers:
    """A few processes, and what each of many programs becomes. Use as a context."""

    def __init__(self, how: Recipe, processes: int) -> None:
        """Take the recipe and the number of processes; with 0 the work is done in this one, without protection.

        Raises:
            ChildProcessError: they do not start.
        """
        self.how, self.processes = how, processes
        self._stopping = False
        self._lock = threading.Lock()
        self._all: list[Worker] = []
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        try:
            for _ in range(processes):
                self._idle.put(self._start())
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Workers:  # noqa: PYI034 - Self is younger than Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answers(self, codes: Iterable[str]) -> Generator[Answer, None, None]:
        """Yield what becomes of each program, in their order."""
        if not self.processes:
            yield from (mutants.pieces(code, self.how) for code in codes)
            return
        todo, pending = iter(codes), deque[Future[Answer]]()
        with ThreadPoolExecutor(self.processes, thread_name_prefix="mutants") as threads:
            try:
                while True:
                    room = AHEAD * self.processes - len(pending)
                    pending.extend(threads.submit(self._answer, code) for code in islice(todo, room))
                    if not pending:
                        return
                    yield pending.popleft().result()
            except BaseException:
                for each in pending:
                    each.cancel()
                self.stop()  # or the threads that talk to them would be waited for
                raise

    def stop(self) -> None:
        """End all processes."""
        with self._lock:
            self._stopping = True
            ending, self._all = self._all, []
        for worker in ending:
            worker.stop()

    def _start(self) -> Worker:
        worker = Worker(self.how)
        with self._lock:
            if not self._stopping:
                self._all.append(worker)
                return worker
        worker.stop()
        raise ChildProcessError("stopped")

    def _answer(self, code: str) -> Answer:
        """Ask an idle worker; one that dies is replaced, and the program gets a second chance with the new one."""
        worker = self._idle.get()
        try:
            for _ in range(2):
                answer = worker.ask(code)
                if answer is not None:
                    return answer
                worker.stop()
                with self._lock:
                    if worker in self._all:
                        self._all.remove(worker)
                worker = self._start()
            return Refused("died", "two processes ended over it")
        finally:
            self._idle.put(worker)


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
