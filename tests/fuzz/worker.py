"""Runs one target under atheris: ``python -m tests.fuzz.worker MODULE NAME [options]``.

The options are libFuzzer's. Only `tests.fuzz.__main__` calls this, since libFuzzer ends
the process in its own way.
"""

from __future__ import annotations

import importlib
import logging
import resource
import sys
import warnings

import atheris

_, module, name, *options = sys.argv
with atheris.instrument_imports(include=["movielens", "serve", "train", "launcher"]):
    targets = importlib.import_module(module).TARGETS

# An input that wants more memory than this gets a MemoryError, which is a finding.
_MEMORY = 6 << 30

target = next(target for target in targets if target.name == name)
resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
# Code that warns fails the tests too.
warnings.simplefilter("error")
logging.disable()
# What a target makes for itself is made before the clock runs.
for seed in target.seeds():
    target.check(seed)
atheris.Setup([sys.argv[0], *options], target.check)
atheris.Fuzz()
