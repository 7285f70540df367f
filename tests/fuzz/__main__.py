"""Fuzzes one target or all: ``python -m tests.fuzz NAME|all --seconds N``.

Each target runs in a process of its own, under atheris. It begins with its seeds, with
what was found before, and with what earlier runs kept in ``build/fuzz``. A table at the
end says what was run. The exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.table import TARGETS
from tests.fuzz.target import FOUND, Target

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "build" / "fuzz"

# One input may take so long on a busy machine, and a target so much memory.
_INPUT_SECONDS = 120
_MEMORY_MIB = 2048
_SHOWN_LINES = 40


@dataclass(frozen=True, slots=True)
class Run:
    """What one target did.

    Attributes:
        name: of the target.
        seconds: how long it was fuzzed.
        executions: how many inputs it read.
        inputs: how many inputs are kept, because they reach other code.
        findings: the files of the inputs that failed.
    """

    name: str
    seconds: int
    executions: int
    inputs: int
    findings: tuple[Path, ...]

    def row(self) -> str:
        """Its row in the table."""
        return (
            f"| `{self.name}` | {self.seconds} | {self.executions:,} "
            f"| {self.inputs:,} | {len(self.findings)} |"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print the table, and return the exit code."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("name", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=float, default=60, help="in all (60)")
    parser.add_argument("--seed", type=int, default=0, help="0 for any (0)")
    given = parser.parse_args(arguments)

    chosen = list(TARGETS.values()) if given.name == "all" else [TARGETS[given.name]]
    seconds_of_one = given.seconds / sum(target.weight for target in chosen)
    runs = []
    for target in chosen:
        seconds = max(1, round(seconds_of_one * target.weight))
        print(f"{target.name}: {seconds} s", flush=True)
        runs.append(fuzz(target, seconds, given.seed))
    print_table(runs)
    return 1 if any(run.findings for run in runs) else 0


def fuzz(target: Target, seconds: int, seed: int) -> Run:
    """Fuzz one target.

    Args:
        target: what reads the inputs.
        seconds: how long.
        seed: of the mutations; 0 for any.
    """
    folder = KEPT / target.name
    kept = folder / "inputs"
    kept.mkdir(parents=True, exist_ok=True)
    words = folder / "words"
    # libFuzzer takes no empty list.
    listed = target.words or (b"\0",)
    words.write_text("".join(f"{_quoted(word)}\n" for word in listed))

    with tempfile.TemporaryDirectory() as scratch:
        seeds = Path(scratch) / "seeds"
        seeds.mkdir()
        for number, data in enumerate(target.seeds()):
            (seeds / f"{number}").write_bytes(data)
        for name, found in target.found():
            (seeds / name).write_bytes(found)
        worker = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.fuzz.worker",
                target.check.__module__,
                target.name,
                f"-seed={seed}",
                f"-max_total_time={seconds}",
                f"-max_len={target.most_bytes}",
                f"-timeout={_INPUT_SECONDS}",
                f"-report_slow_units={_INPUT_SECONDS}",
                f"-rss_limit_mb={_MEMORY_MIB}",
                f"-dict={words}",
                f"-artifact_prefix={folder}/",
                "-print_final_stats=1",
                str(kept),
                str(seeds),
            ],
            cwd=ROOT,
            env=_environment(scratch),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    said = worker.stdout.decode(errors="replace")
    (folder / "log").write_text(said)
    findings = [Path(path) for path in re.findall(r"Test unit written to (.*)", said)]
    if worker.returncode:
        _print_failure(target, said, findings)
        findings = findings or [folder / "log"]
    return Run(
        target.name,
        seconds=_last_number(r"in (\d+) second", said) or seconds,
        executions=_last_number(r"number_of_executed_units:\s*(\d+)", said),
        inputs=len(list(kept.iterdir())),
        findings=tuple(findings),
    )


def print_table(runs: Sequence[Run]) -> None:
    """Print what was run, as Markdown."""
    print()
    print("| target | seconds | executions | inputs kept | findings |")
    print("|---|---|---|---|---|")
    for run in runs:
        print(run.row())
    print(
        f"| all | {sum(run.seconds for run in runs)} "
        f"| {sum(run.executions for run in runs):,} "
        f"| {sum(run.inputs for run in runs):,} "
        f"| {sum(len(run.findings) for run in runs)} |"
    )


def _environment(scratch: str) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {
        **os.environ,
        "PYTHONPATH": paths,
        "PYTHONUNBUFFERED": "1",
        "TMPDIR": scratch,
        "OMP_NUM_THREADS": "1",
    }


def _print_failure(target: Target, said: str, findings: Sequence[Path]) -> None:
    lines = [line for line in said.splitlines() if not line.startswith("#")]
    print("\n".join(lines[-_SHOWN_LINES:]))
    print(f"\n{target.name} has to hold: {target.oracle}\n")
    for path in findings:
        kept = FOUND.relative_to(ROOT) / target.name / "WHAT_IT_WAS"
        print(f"found {path}; once it is mended: cp {path} {kept}")


def _last_number(pattern: str, text: str) -> int:
    numbers = re.findall(pattern, text)
    return int(numbers[-1]) if numbers else 0


def _quoted(word: bytes) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"'


if __name__ == "__main__":
    sys.exit(main())
