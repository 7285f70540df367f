"""``build`` and ``push``."""

from __future__ import annotations

import subprocess
from pathlib import Path

from launcher import names
from launcher.errors import ImageError
from launcher.images import build_command, local_image, registry, remote_image
from launcher.plans.images import plan_push
from launcher.plans.setup import plan_repository
from launcher.session import Session
from launcher.source import revision, version
from launcher.state import repository_uri
from launcher.world import read_repository


def build(session: Session, root: Path, arguments: tuple[str, ...]) -> None:
    """``docker build`` of the project for the configured platform, tagged with the
    project's name.

    Raises:
        ImageError: if there is no Dockerfile or docker fails.
    """
    if not (root / "Dockerfile").is_file():
        raise ImageError(
            f"{root.resolve()} has no Dockerfile: run this in a clone of the project, or name its folder"
        )
    config, name = session.config, names.image(session.config)
    command = build_command(
        root, name, config.platform, version(root), revision(root), arguments
    )
    if session.dry_run:
        session.emit({"plan": [{"says": f"build {name}", "run": command}]})
        return
    session.say_doing(f"build {name} for {config.platform}")
    # docker's progress is for people, and stdout is for the result.
    if code := subprocess.run(command, stdout=2, check=False).returncode:
        raise ImageError(f"docker build ended with {code}; its own words are above")
    image = local_image(name)
    if image is None:
        raise ImageError(f"docker has built no image named {name}")
    facts = {
        "image": name,
        "id": image.image_id,
        "platform": image.platform,
        "tags": list(image.tags),
    }
    session.emit(
        facts, f"{name}  {image.image_id}  {image.platform}  {', '.join(image.tags)}"
    )


def push(session: Session, name: str | None) -> None:
    """Push a local image; nothing where the registry has it already.

    Raises:
        ImageError: if there is no such image, or it is for another platform.
    """
    config, aws = session.config, session.aws
    name = name or names.image(config)
    image = local_image(name)
    if image is None:
        raise ImageError(f"there is no local image {name}: run `launcher build`")
    repository = read_repository(aws, config)
    create = plan_repository(config, repository)
    where = registry(aws, config.registry)
    found = {
        tag: remote_image(where, names.repository(config), tag) for tag in image.tags
    }
    uri = repository_uri(aws, config, session.account)
    plan = [*create, *plan_push(config, image, uri, found)]
    answers = session.perform(plan, "the registry has this image already")
    if answers is None:
        return
    # What was pushed, else what was there: all tags name the same image by now.
    digests = [answer["digest"] for answer in answers if "digest" in answer]
    digest = (digests or [remote.digest for remote in found.values() if remote])[0]
    pushed = f"{uri}@{digest}"
    session.emit(
        {"image_uri": pushed, "digest": digest, "tags": list(image.tags)}, pushed
    )
