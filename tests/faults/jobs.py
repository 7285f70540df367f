"""Runs jobs to which something happens at a certain moment.

Each job is the whole `train` command in a process of its own. The processes are forks
of one that has imported everything, since the imports take much longer than a job of so
few ratings. A fault is brought about by the process itself, so it comes at the same
moment in every run, and no test has to sleep.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, NoReturn

from tests.faults.name_spaces import CLONE_NEWNS, enter, leave_for_own, mount
from train.watch import Patience

LOG = "log"
# Has the number of the process.
PID = "pid"
# For its temporary files.
TEMPORARY = "tmp"
# What a test sees of a directory that was mounted for the job alone.
AFTERWARDS = "afterwards"
# A job of so few ratings takes a second or two, on a busy machine half a minute.
BOUND_SECONDS = 300.0
HOST_PATIENCE = Patience(start=120, beat=0.2, silence=8, grace=1)

_IMPORTED_ONCE = ["train.pipeline", "train.__main__", "boto3", "paramiko", "pytest"]

# What Python calls these events, and which of their arguments is the path.
_AUDIT_EVENTS = {"opens": ("open", 0), "renames": ("os.rename", 1)}

Strike = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a job, and when.

    Attributes:
        event: ``logs`` a line, ``opens`` a file, or ``renames`` one.
        text: a part of the line, or the end of the file's path (of its new path if it
            is renamed).
        strike: what happens then, in the job's own process.
    """

    event: str
    text: str
    strike: Strike

    def lie_in_wait(self) -> None:
        """Strike once, the first time that the event comes."""
        is_over = False

        def strike() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                self.strike()

        if self.event == "logs":
            _call_at_line(self.text, strike)
        else:
            _call_at_file(self.event, self.text, strike)


@dataclass(frozen=True, slots=True)
class Mount:
    """What the job finds in place of a directory.

    Attributes:
        directory: below its base directory.
        n_bytes: the size of an empty file system that is mounted there. Without a size,
            the directory itself becomes read-only.
    """

    directory: str
    n_bytes: int = 0

    def make(self, base_dir: Path) -> None:
        """Mount it, in a name space where this process is root."""
        directory = str(base_dir / self.directory)
        if self.n_bytes:
            size = f"size={self.n_bytes}"
            mount("-t", "tmpfs", "-o", size, "tmpfs", directory)
        else:
            mount("--bind", directory, directory)
            mount("-o", "remount,bind,ro", directory)


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended.

    Attributes:
        code: its exit code, or the negative number of the signal that ended it.
        failure: the failure file, empty without one.
        log: all that it printed.
    """

    code: int
    failure: str
    log: str


# What happens


def kill() -> None:
    """The process is gone, as after a crash of the machine."""
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    """SageMaker stops the job, as it does before it takes a spot instance away."""
    os.kill(os.getpid(), signal.SIGTERM)


def stop_later() -> None:
    """The same, once the process has gone on."""
    threading.Timer(0.3, stop).start()


def interrupt() -> None:
    """Somebody presses Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


def freeze() -> None:
    """The process stands still, but its connections stay."""
    os.kill(os.getpid(), signal.SIGSTOP)


def lose_log() -> None:
    """Whatever the process prints from now on finds the disk full."""
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)


def cut_off() -> None:
    """The process is gone once the next file has a KiB.

    The kernel writes a file up to the limit, then it sends a signal.
    """
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def leave_no_memory(n_bytes: int = 0) -> None:
    """The process gets no more memory from the system, or only so many bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def leave_little_memory() -> None:
    """The process gets some more memory."""
    leave_no_memory(2**25)


# Running jobs


class Job:
    """A running job.

    Attributes:
        base_dir: its ``/opt/ml``.
    """

    def __init__(self, base_dir: Path, process: Any) -> None:
        self.base_dir = base_dir
        self._process = process
        process.start()

    def end(self, seconds: float = BOUND_SECONDS) -> End:
        """How it ended.

        Raises:
            TimeoutError: it didn't end in time; then it is killed.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"no end after {seconds:g} s:\n{self.log()}")
        failure = self.base_dir / "output" / "failure"
        return End(
            code=self._process.exitcode,
            failure=failure.read_text() if failure.exists() else "",
            log=self.log(),
        )

    def log(self) -> str:
        """All that it has printed so far."""
        return (self.base_dir / LOG).read_text()

    def kill(self) -> None:
        """End it now, if it hasn't ended."""
        self._process.kill()
        self._process.join()


class Jobs:
    """Starts jobs, all of them from the same imports."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_IMPORTED_ONCE)
        self._started: list[Job] = []
        # Jobs of many tests share the processors. OpenMP reads this when it is loaded,
        # which here is before the command runs.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        forkserver.ensure_running()

    def start(
        self,
        base_dir: Path,
        *faults: Fault,
        mounts: Sequence[Mount] = (),
        network: int = 0,
    ) -> Job:
        """Start the job in a base directory.

        Args:
            base_dir: its ``/opt/ml``.
            faults: what happens to it.
            mounts: what it finds in place of its directories.
            network: where its hosts are, if it is one of several.
        """
        process = self._context.Process(
            target=_run, args=(base_dir, faults, mounts, network)
        )
        job = Job(base_dir, process)
        self._started.append(job)
        return job

    def run(self, base_dir: Path, *faults: Fault, mounts: Sequence[Mount] = ()) -> End:
        """Start it and wait for its end."""
        return self.start(base_dir, *faults, mounts=mounts).end()

    def kill_all(self) -> None:
        """End all that haven't ended."""
        for job in self._started:
            job.kill()


# In the process of a job


def _run(
    base_dir: Path, faults: Sequence[Fault], mounts: Sequence[Mount], network: int
) -> None:
    log = os.open(base_dir / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    (base_dir / PID).write_text(str(os.getpid()))
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["SAGEMAKER_BASE_DIR"] = str(base_dir)
    os.environ["TMPDIR"] = str(base_dir / TEMPORARY)
    if mounts:
        _run_on_mounts(base_dir, faults, mounts)
    elif network:
        enter(network)
        _train_with_others(base_dir, faults)
    else:
        _train(faults)


def _train(faults: Sequence[Fault]) -> None:
    for fault in faults:
        fault.lie_in_wait()
    from train.__main__ import main

    main()


def _train_with_others(base_dir: Path, faults: Sequence[Fault]) -> None:
    """The same without the toolkit, and with hosts that give each other less time."""
    for fault in faults:
        fault.lie_in_wait()
    from train import toolkit
    from train.job import prepare

    logging.basicConfig(level=logging.INFO)
    prepare(base_dir)
    toolkit.main(HOST_PATIENCE)


def _run_on_mounts(
    base_dir: Path, faults: Sequence[Fault], mounts: Sequence[Mount]
) -> NoReturn:
    """Run in a name space of its own, where nobody else sees the mounts."""
    leave_for_own(CLONE_NEWNS)
    for each in mounts:
        each.make(base_dir)

    process = multiprocessing.get_context("fork").Process(target=_train, args=(faults,))
    process.start()
    process.join()
    # What is mounted goes with its last process.
    for each in mounts:
        if each.n_bytes:
            copy = base_dir / AFTERWARDS / each.directory
            shutil.copytree(base_dir / each.directory, copy)
    sys.exit(process.exitcode)


def _call_at_line(text: str, strike: Strike) -> None:
    make_record = logging.getLogRecordFactory()

    def watch(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        if text in record.getMessage():
            strike()
        return record

    logging.setLogRecordFactory(watch)


def _call_at_file(event: str, end_of_path: str, strike: Strike) -> None:
    name, position = _AUDIT_EVENTS[event]

    def watch(audited: str, args: tuple[Any, ...]) -> None:
        if audited == name and str(args[position]).endswith(end_of_path):
            strike()

    sys.addaudithook(watch)
