"""The tags of resources."""

from __future__ import annotations

import pytest

from launcher.local.errors import RefusedError
from launcher.local.tags import Tags

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:toy-job/a"
RESOURCE = {"ResourceArn": ARN}


def tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}


@pytest.fixture
def tags() -> Tags:
    """With one resource, which has one tag."""
    tags = Tags()
    tags.put(ARN, [tag("team", "a")])
    return tags


def test_tags_are_added_replaced_and_deleted(tags: Tags) -> None:
    add = tags.operations["AddTags"]
    delete = tags.operations["DeleteTags"]
    list_tags = tags.operations["ListTags"]
    team = tag("team", "b")
    stage = tag("stage", "test")

    add({**RESOURCE, "Tags": [team, stage]})
    assert list_tags(RESOURCE) == {"Tags": [team, stage]}
    delete({**RESOURCE, "TagKeys": ["team", "absent"]})
    assert list_tags(RESOURCE) == {"Tags": [stage]}


def test_tags_come_in_pages(tags: Tags) -> None:
    list_tags = tags.operations["ListTags"]
    tags.operations["AddTags"]({**RESOURCE, "Tags": [tag("stage", "test")]})
    first = list_tags({**RESOURCE, "MaxResults": 1})
    assert first is not None
    assert first["Tags"] == [tag("team", "a")]
    last = list_tags({**RESOURCE, "NextToken": first["NextToken"]})
    assert last == {"Tags": [tag("stage", "test")]}


def test_a_dropped_resource_is_forgotten(tags: Tags) -> None:
    tags.drop(ARN)
    with pytest.raises(RefusedError, match="Could not find resource"):
        tags.operations["ListTags"](RESOURCE)


def test_a_key_that_occurs_twice_is_refused() -> None:
    twice = [tag("team", "a"), tag("team", "b")]
    with pytest.raises(RefusedError, match="Duplicate tag keys"):
        Tags().put(ARN, twice)
