"""``build``: the image, with ``docker build``."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from launcher import names
from launcher.config import Platform
from launcher.errors import ImageError
from launcher.images import build_command, local_image
from launcher.instance_types import has_gpu
from launcher.options import DryRun, Json, start_session
from launcher.source import build_arguments

# Options that aren't ours are docker's.
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}


def build(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("--directory", help="Where the Dockerfile is.")
    ] = Path(),
    platform: Annotated[
        Platform | None,
        typer.Option("--platform", help="Replaces `platform` of the configuration."),
    ] = None,
    gpu: Annotated[
        bool | None,
        typer.Option(
            "--gpu/--no-gpu",
            help="With XGBoost for GPUs (default: if training instances have one).",
        ),
    ] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Build the image. Arguments that aren't ours go to `docker build`, such as
    --build-arg=...
    """
    session = start_session(context, as_json, dry_run, needs_region=False)
    if not (directory / "Dockerfile").is_file():
        raise ImageError(
            f"{directory.resolve()} has no Dockerfile: "
            "run this in a clone of the project, or name its folder with --directory"
        )
    name = names.image(session.config)
    platform = platform or session.config.platform
    if gpu is None:
        gpu = has_gpu(session.config.training_instance_type)
    command = build_command(
        directory,
        name,
        platform,
        build_arguments(directory, os.environ, gpu=gpu),
        extra=tuple(context.args),
    )
    if dry_run:
        session.emit({"plan": [{"says": f"build {name}", "run": command}]})
        return

    what = f"{platform} with GPUs" if gpu else platform
    session.say_doing(f"build {name} for {what}")
    # docker's progress goes to stderr, because stdout is for the result.
    code = subprocess.run(command, stdout=2, check=False).returncode
    if code:
        raise ImageError(f"docker build ended with {code}; its own words are above")
    image = local_image(name)
    if image is None:
        raise ImageError(f"docker has built no image named {name}")
    value = {
        "image": name,
        "id": image.image_id,
        "platform": image.platform,
        "gpu": image.is_for_gpus,
        "tags": list(image.tags),
    }
    tags = ", ".join(image.tags)
    session.emit(value, f"{name}  {image.image_id}  {image.platform}  {tags}")
    session.hint("`launcher push` pushes it")
