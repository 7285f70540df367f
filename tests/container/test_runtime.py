"""Running the image's commands as processes; containers are in test_built_image."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.runtime import (
    ProcessRuntime,
    RuntimeFailedError,
    run_options,
    wait_until_usable,
)
from launcher.ports import free_port


def test_a_failed_job_is_reported_with_its_own_reason(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailedError, match="no channel named training"):
        ProcessRuntime().train(tmp_path)


def test_a_server_that_does_not_answer_is_reported_with_its_address() -> None:
    port = free_port()
    with pytest.raises(RuntimeFailedError, match=f":{port}/ping didn't answer 200"):
        wait_until_usable(port, seconds=0.1)


def test_a_container_sees_the_base_directory_as_opt_ml(tmp_path: Path) -> None:
    options = run_options(tmp_path)
    assert options[options.index("--volume") + 1] == f"{tmp_path.resolve()}:/opt/ml"
