"""What ``launcher push`` sends: the image, under those tags that the registry doesn't
have for it yet.

Only ``latest`` moves from image to image. Jobs are described by the other tags, so one
that names another image already gets the new image's id as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from launcher.config import Config
from launcher.errors import ImageError
from launcher.images import LATEST, LocalImage, RemoteImage
from launcher.requests import Action, PushImage


def plan_push(
    config: Config,
    image: LocalImage,
    repository_uri: str,
    found: Mapping[str, RemoteImage | None],
) -> list[Action]:
    """Push under the tags that are absent or name another image.

    Args:
        config: says for which platform images must be.
        image: the local image.
        repository_uri: where to push it.
        found: what the registry has, by tag.

    Raises:
        ImageError: the image isn't for the configured platform. SageMaker would pull it
            and fail to start it.
    """
    if image.platform != config.platform:
        raise ImageError(
            f"the image is for {image.platform}, the configuration says "
            f"{config.platform}: run `launcher build`, or set `platform` and "
            "instance types that match"
        )

    missing: list[str] = []
    for tag in image.tags:
        remote = found.get(tag)
        if remote is not None and not remote.is_of(image) and tag != LATEST:
            tag = image.own_tag(tag)
            remote = found.get(tag)
        if remote is None or not remote.is_of(image):
            missing.append(tag)
    if not missing:
        return []
    says = f"push {image.short_id} to {repository_uri} as {', '.join(missing)}"
    return [PushImage(says, image.image_id, repository_uri, tuple(missing))]
