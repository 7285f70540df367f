"""What Describe and List operations answer, and tags."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.local.descriptions import Descriptions, ResourceKind, Tags
from launcher.local.errors import RefusedError

JOB = ResourceKind(
    noun="transform-job",
    absent="no job {name}",
    absent_code="ResourceNotFound",
)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/a"


@pytest.fixture
def jobs() -> Descriptions:
    return Descriptions(JOB, "eu-west-1", Tags())


def add(jobs: Descriptions, name: str, status: str = "InProgress") -> None:
    jobs.add(
        {"TransformJobName": name, "TransformJobStatus": status, "Size": 1, "Secret": 2}
    )


def test_a_resource_is_described_with_its_arn_and_times(jobs: Descriptions) -> None:
    add(jobs, "a")
    described = jobs.describe({"TransformJobName": "a"})
    assert described["TransformJobArn"] == ARN
    assert described["CreationTime"] == described["LastModifiedTime"]


def test_a_taken_and_an_absent_name_are_refused(jobs: Descriptions) -> None:
    add(jobs, "a")
    with pytest.raises(RefusedError, match=f"{ARN} already exists") as taken:
        add(jobs, "a")
    assert taken.value.code == "ResourceInUse"
    with pytest.raises(RefusedError, match="no job b") as absent:
        jobs.get("b")
    assert absent.value.code == "ResourceNotFound"


def test_a_description_is_changed_by_its_owner_only(jobs: Descriptions) -> None:
    add(jobs, "a")
    copy = jobs.get("a")
    copy["Size"] = 3
    assert jobs.get("a")["Size"] == 1
    jobs.set("a", Size=2)
    assert jobs.get("a")["Size"] == 2


def test_a_change_of_what_was_removed_is_ignored(jobs: Descriptions) -> None:
    add(jobs, "a")
    jobs.delete({"TransformJobName": ARN})
    jobs.set("a", Size=2)
    assert jobs.all() == []


def test_a_status_that_is_not_one_for_a_request_is_refused(jobs: Descriptions) -> None:
    add(jobs, "a", "Stopping")
    assert jobs.check("a", ["Stopping"])["TransformJobName"] == "a"
    with pytest.raises(RefusedError, match="a is in status Stopping"):
        jobs.check("a", ["Completed"])


def names(listed: dict[str, Any]) -> list[str]:
    return [summary["TransformJobName"] for summary in listed["TransformJobSummaries"]]


def test_a_list_is_filtered_and_sorted(jobs: Descriptions) -> None:
    for name in ("b1", "a1", "c2"):
        add(jobs, name)
    jobs.set("c2", TransformJobStatus="Completed")
    assert names(jobs.list({})) == ["c2", "a1", "b1"]
    assert names(jobs.list({"NameContains": "A"})) == ["a1"]
    assert names(jobs.list({"StatusEquals": "Completed"})) == ["c2"]
    assert names(jobs.list({"Size": 2})) == []
    by_name = {"SortBy": "Name", "SortOrder": "Ascending"}
    assert names(jobs.list(by_name)) == ["a1", "b1", "c2"]


def test_a_summary_has_only_some_members(jobs: Descriptions) -> None:
    add(jobs, "a")
    (summary,) = jobs.list({})["TransformJobSummaries"]
    assert set(summary) == {
        "TransformJobName",
        "TransformJobArn",
        "TransformJobStatus",
        "CreationTime",
        "LastModifiedTime",
    }


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
