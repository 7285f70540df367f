"""The ``train`` command as SageMaker runs it: a process over a base directory, through
the training toolkit.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container.job_folder import make_job_folder
from movielens.manifest import SCHEMA_VERSION

MakeJob = Callable[..., Path]
TRAIN = Path(sys.executable).parent / "train"
REPETITIONS = 30
AT_ONCE = 2 * (os.cpu_count() or 1)
QUICK = {"num_round": "5", "max_depth": "3", "nthread": "1"}
HEADER = "userId,movieId,rating,timestamp\n"


def environment(base_dir: Path) -> dict[str, str]:
    """This process's environment without what the toolkit would take for its own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SM_", "SAGEMAKER_", "TRAINING_"))
    }
    return {**kept, "SAGEMAKER_BASE_DIR": str(base_dir)}


def run(base_dir: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TRAIN],
        env=environment(base_dir),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def failure(base_dir: Path) -> str:
    return (base_dir / "output" / "failure").read_text()


def test_a_good_job_writes_a_model(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    result = run(base_dir)
    assert result.returncode == 0, result.stderr
    assert (base_dir / "output" / "success").exists()
    assert not (base_dir / "output" / "failure").exists()
    manifest = json.loads((base_dir / "model" / "manifest.json").read_bytes())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert "metric test:rmse=" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (
            {"ratings": HEADER + "1,1,4.0,5\n1,3,4.7,5\n"},
            "ratings.csv line 3: rating is '4.7'",
        ),
        (
            {"ratings": HEADER + "1,999999,4.0,5\n"},
            "ratings.csv line 2: movieId is '999999'",
        ),
        ({"ratings": ""}, "ratings"),
        ({"movies": "movieId,title\n1,Toy Story (1995)\n"}, "movies.csv"),
    ],
)
def test_bad_data_fails_with_the_cause_first(
    make_job: MakeJob, files: dict[str, str], cause: str
) -> None:
    base_dir = make_job(QUICK, **files)
    assert run(base_dir).returncode == 1
    assert cause in failure(base_dir)
    assert "Traceback" not in failure(base_dir)
    assert not list((base_dir / "model").iterdir())


@pytest.mark.slow
def test_a_bad_row_ends_the_job_with_1_however_busy_the_machine_is(
    tmp_path: Path, small_data: Path
) -> None:
    """Arrow's threads may still be at work when the job fails."""
    text = HEADER + "1,1,4.7,5\n" + "1,1,4.0,5\n" * 200_000

    def exit_code(number: int) -> int:
        base_dir = tmp_path / str(number)
        channel = make_job_folder(base_dir, small_data, {})
        (channel / "ratings.csv").write_text(text)
        code = run(base_dir).returncode
        assert "line 2: rating is '4.7'" in failure(base_dir)
        return code

    with ThreadPoolExecutor(AT_ONCE) as jobs:
        codes = list(jobs.map(exit_code, range(REPETITIONS)))
    assert codes == [1] * REPETITIONS


def test_bad_hyperparameters_fail_with_all_faults(make_job: MakeJob) -> None:
    base_dir = make_job({"max_depht": "3", "eta": "-1"})
    assert run(base_dir).returncode == 1
    assert failure(base_dir) == (
        "max_depht is unknown, did you mean max_depth?; "
        "eta is '-1', expected a number above 0 to 1"
    )


def test_a_name_that_cannot_be_written_fails_the_job(make_job: MakeJob) -> None:
    # Half of a surrogate pair, which JSON may hold and UTF-8 may not.
    base_dir = make_job({"\ud800\x00": "1"})
    assert run(base_dir).returncode == 1
    assert failure(base_dir).endswith("as JSON: a text has half of a surrogate pair")
    assert not (base_dir / "output" / "success").exists()


def test_configuration_over_which_the_toolkit_fails_is_said_to_be_the_cause(
    make_job: MakeJob,
) -> None:
    base_dir = make_job({"sagemaker_container_log_level": "x"})
    assert run(base_dir).returncode == 1
    cause = "the training toolkit can't use the files in input/config: Unknown level"
    assert failure(base_dir).startswith(cause)


def test_an_input_that_is_mounted_read_only_is_enough(make_job: MakeJob) -> None:
    base_dir = make_job(QUICK)
    for name in ("inputdataconfig", "resourceconfig"):
        (base_dir / "input" / "config" / f"{name}.json").unlink()
    files = {path: path.stat() for path in (base_dir / "input").rglob("*")}

    folder = base_dir / "input"
    mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"
    in_own_mounts = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    result = subprocess.run(
        [*in_own_mounts, f"{mount} && exec {TRAIN}"],
        env=environment(base_dir),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (base_dir / "model" / "manifest.json").exists()
    assert (base_dir / "output" / "success").exists()
    assert {path: path.stat() for path in folder.rglob("*")} == files


@pytest.mark.parametrize(
    "name", ["hyperparameters", "inputdataconfig", "resourceconfig"]
)
def test_configuration_with_a_byte_order_mark_is_read(
    make_job: MakeJob, name: str
) -> None:
    base_dir = make_job({"etaa": "1"})
    path = base_dir / "input" / "config" / f"{name}.json"
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert run(base_dir).returncode == 1
    # So the job itself was reached.
    assert failure(base_dir) == "etaa is unknown, did you mean eta?"


def test_configuration_in_utf_16_is_refused_in_one_line(make_job: MakeJob) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / "hyperparameters.json"
    path.write_text("{}", encoding="utf-16")
    assert run(base_dir).returncode == 1
    assert failure(base_dir) == (
        f"{path} is UTF-16 or UTF-32, expected UTF-8: save it as UTF-8"
    )


def test_hyperparameters_that_are_no_json_are_named(make_job: MakeJob) -> None:
    base_dir = make_job()
    path = base_dir / "input" / "config" / "hyperparameters.json"
    path.write_text("{")
    assert run(base_dir).returncode == 1
    assert failure(base_dir).startswith(f"can't read {path}")


def test_sigterm_keeps_the_rounds_so_far(make_job: MakeJob) -> None:
    base_dir = make_job({**QUICK, "num_round": "100000"})
    log = base_dir / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [TRAIN], env=environment(base_dir), stdout=out, stderr=subprocess.STDOUT
        )
        while "round 1 of" not in log.read_text() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
    evaluation = json.loads((base_dir / "model" / "evaluation.json").read_bytes())
    assert evaluation["booster"]["stopped"] is True
    assert 1 <= evaluation["booster"]["num_round"] < 100_000


def test_threads_spin_for_a_moment_unless_a_policy_is_set(
    make_job: MakeJob, tmp_path: Path
) -> None:
    names = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
    module = "import os\n\ndef main() -> None:\n"
    module += f"    print('set:', *map(os.environ.get, {names}))\n"
    (tmp_path / "prints_settings.py").write_text(module)
    ours = environment(make_job(QUICK))
    kept = {name: value for name, value in ours.items() if name not in names}

    def settings(**given: str) -> str:
        chosen = {
            "PYTHONPATH": str(tmp_path),
            "SAGEMAKER_TRAINING_MODULE": "prints_settings:main",
        }
        output = subprocess.run(
            [TRAIN],
            env={**kept, **chosen, **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        ).stdout
        [line] = [line for line in output.splitlines() if line.startswith("set:")]
        return line

    assert settings() == "set: None 1000"
    assert settings(GOMP_SPINCOUNT="7") == "set: None 7"
    assert settings(OMP_WAIT_POLICY="PASSIVE") == "set: PASSIVE None"
