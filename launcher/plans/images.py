"""What ``launcher push`` sends: the image under those tags that the registry has it not
under.
"""

from __future__ import annotations

from collections.abc import Mapping

from launcher.config import Config
from launcher.errors import ImageError
from launcher.images import LocalImage, RemoteImage
from launcher.requests import Action, PushImage


def plan_push(
    config: Config,
    image: LocalImage,
    repository_uri: str,
    found: Mapping[str, RemoteImage | None],
) -> list[Action]:
    """Push under the tags that are absent or name another image.

    Args:
        found: what the registry has, by tag.

    Raises:
        ImageError: if the image isn't for the configured platform; SageMaker would pull
            it and fail to start it.
    """
    if image.platform != config.platform:
        raise ImageError(
            f"the image is for {image.platform}, the configuration says {config.platform}: run `launcher build`, or "
            "set `platform`, with instance types that match"
        )
    missing = [
        tag
        for tag in image.tags
        if not ((remote := found.get(tag)) and remote.is_of(image))
    ]
    if not missing:
        return []
    says = f"push {image.image_id[7:19]} to {repository_uri} as {', '.join(missing)}"
    return [PushImage(says, image.image_id, repository_uri, tuple(missing))]
