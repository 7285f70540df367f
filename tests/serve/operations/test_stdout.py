from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
from serve.operations.stdout import write_lines

write_lines(b"a line\\n")
print("went on", file=__import__("sys").stderr)
"""


def test_lines_are_lost_if_nobody_reads_them() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    os.close(writer)
    assert process.stderr == "went on\n"


def test_lines_of_several_processes_dont_mix() -> None:
    script = """
import os
from serve.operations.stdout import write_lines

if os.fork() == 0:
    write_lines((b"a" * 99 + b"\\n") * 5000)
    os._exit(0)
write_lines((b"b" * 99 + b"\\n") * 5000)
os.wait()
"""
    process = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    lines = process.stdout.splitlines()
    assert lines.count("a" * 99) == lines.count("b" * 99) == 5000
    assert len(lines) == 10000
