from __future__ import annotations

from dataclasses import replace

import pytest

from launcher.config import Config
from launcher.errors import ImageError
from launcher.images import LocalImage, RemoteImage
from launcher.plans.images import plan_push
from launcher.requests import PushImage

MANIFEST = "sha256:" + "a" * 64
IMAGE = LocalImage("sha256:" + "1" * 64, "linux/amd64", "0.1.0", "abcdef0123456789")
SAME = RemoteImage(MANIFEST, IMAGE.image_id)
OTHER = RemoteImage(MANIFEST, "sha256:other")
VERSION, LATEST = IMAGE.tags
OWN_TAG = IMAGE.own_tag(VERSION)


@pytest.mark.parametrize(
    ("found", "pushed"),
    [
        ({}, (VERSION, LATEST)),
        ({VERSION: SAME, LATEST: OTHER}, (LATEST,)),
        ({VERSION: None, LATEST: SAME}, (VERSION,)),
        ({VERSION: SAME, LATEST: SAME}, ()),
        # Only `latest` moves: another image of this version keeps its tag.
        ({VERSION: OTHER, LATEST: OTHER}, (OWN_TAG, LATEST)),
        ({VERSION: OTHER, OWN_TAG: SAME, LATEST: SAME}, ()),
    ],
)
def test_an_image_is_pushed_under_the_tags_that_lack_it(
    config: Config, found: dict[str, RemoteImage | None], pushed: tuple[str, ...]
) -> None:
    tags: list[str] = []
    for action in plan_push(config, IMAGE, "host/halfstar", found):
        assert isinstance(action, PushImage)
        tags += action.tags
    assert tuple(tags) == pushed


def test_an_image_for_another_platform_is_refused(config: Config) -> None:
    for_arm = replace(config, platform="linux/arm64")
    message = "the image is for linux/amd64, the configuration says linux/arm64"
    with pytest.raises(ImageError, match=message):
        plan_push(for_arm, IMAGE, "host/halfstar", {})
