"""``push``: a local image, to ECR."""

from __future__ import annotations

from typing import Annotated

import typer

from launcher import names
from launcher.errors import ImageError
from launcher.images import LATEST, local_image, registry_access, remote_image
from launcher.options import DryRun, Json, start_session
from launcher.plans.images import plan_push
from launcher.plans.setup import plan_repository
from launcher.requests import PushImage
from launcher.world.images import repository_uri
from launcher.world.resources import read_repository


def push(
    context: typer.Context,
    image: Annotated[
        str | None, typer.Argument(help="Local image (setting: name).")
    ] = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Push the image to ECR, and print its URI with the digest. The pushed image is
    verified there.
    """
    session = start_session(context, as_json, dry_run)
    config = session.config
    aws = session.aws

    name = image or names.image(config)
    local = local_image(name)
    if local is None:
        raise ImageError(f"there is no local image {name}: run `launcher build`")

    repository = names.repository(config)
    plan = plan_repository(config, read_repository(aws, config))
    access = registry_access(aws, config.registry)
    # The tag with the image's id is needed only where the one without is taken.
    own_tags = [local.own_tag(tag) for tag in local.tags if tag != LATEST]
    candidates = {*local.tags, *own_tags}
    found = {tag: remote_image(access, repository, tag) for tag in sorted(candidates)}
    uri = repository_uri(aws, config, session.account)
    plan += plan_push(config, local, uri, found)
    answers = session.perform(plan, "the registry has this image already")
    if answers is None:
        return

    # What was pushed now, or else before.
    pushed = [answer["digest"] for answer in answers if "digest" in answer]
    earlier = {
        tag: remote.digest
        for tag, remote in found.items()
        if remote is not None and remote.is_of(local)
    }
    tags = set(earlier)
    for action in plan:
        if isinstance(action, PushImage):
            tags.update(action.tags)
    digest = [*pushed, *earlier.values()][0]
    image_uri = f"{uri}@{digest}"
    value = {"image_uri": image_uri, "digest": digest, "tags": sorted(tags)}
    session.emit(value, image_uri)
    session.hint("`launcher train` trains with it")
