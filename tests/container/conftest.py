"""The image, built once, and a base directory in which it has trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from container.image import ImageFacts, build
from container.job_folder import make_job_folder
from tests.container.image_runner import ImageRunner


@pytest.fixture(scope="session")
def image() -> ImageFacts:
    """The image of this working tree.

    Building it takes minutes the first time, half of them for the base.
    """
    return build("halfstar:test")


@pytest.fixture(scope="session")
def runner(image: ImageFacts) -> Iterator[ImageRunner]:
    runner = ImageRunner(image)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def trained(
    runner: ImageRunner, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A base directory in which the image has trained on the whole of ml-latest-small.

    The split is the tutorial's.
    """
    base_dir = tmp_path_factory.mktemp("trained")
    hyperparameters = {"split": "tutorial", "save_predictions": "true"}
    make_job_folder(base_dir, data_dir, hyperparameters)

    # The smallest training instance has more than 512 MB.
    memory = ("--memory", "512m", "--memory-swap", "512m")
    result = runner.run(base_dir, "train", options=memory)
    assert result.returncode == 0, result.stdout + result.stderr
    return base_dir
