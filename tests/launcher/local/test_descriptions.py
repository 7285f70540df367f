"""What Describe and List operations answer."""

from __future__ import annotations

from typing import Any

import pytest

from launcher.local.descriptions import Descriptions, ResourceKind, page
from launcher.local.errors import RefusedError

JOB = ResourceKind(
    noun="toy-job",
    prefix="ToyJob",
    summaries="ToyJobSummaries",
    absent="no job {name}",
    present="{arn} is taken",
    absent_code="ResourceNotFound",
    present_code="ResourceInUse",
    summarized=("Size",),
)
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:toy-job/a"


@pytest.fixture
def jobs() -> Descriptions:
    return Descriptions(JOB, "eu-west-1")


def add(jobs: Descriptions, name: str, status: str = "InProgress") -> None:
    jobs.add({"ToyJobName": name, "ToyJobStatus": status, "Size": 1, "Secret": 2})


def test_a_resource_is_described_with_its_arn_and_times(jobs: Descriptions) -> None:
    add(jobs, "a")
    described = jobs.describe({"ToyJobName": "a"})
    assert described["ToyJobArn"] == ARN
    assert described["CreationTime"] == described["LastModifiedTime"]


def test_a_taken_and_an_absent_name_are_refused(jobs: Descriptions) -> None:
    add(jobs, "a")
    with pytest.raises(RefusedError, match=f"{ARN} is taken") as taken:
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
    assert jobs.remove("a")["ToyJobName"] == "a"
    jobs.set("a", Size=2)
    assert jobs.all() == []


def test_only_a_running_job_is_under_way(jobs: Descriptions) -> None:
    add(jobs, "runs", "Stopping")
    add(jobs, "done", "Completed")
    jobs.check_under_way("runs")
    jobs.check_ended("done")
    with pytest.raises(RefusedError, match="the toy job is in status Completed"):
        jobs.check_under_way("done")
    with pytest.raises(RefusedError, match="the toy job is in status Stopping"):
        jobs.check_ended("runs")


def names(listed: dict[str, Any]) -> list[str]:
    return [summary["ToyJobName"] for summary in listed["ToyJobSummaries"]]


def test_a_list_is_filtered_and_sorted(jobs: Descriptions) -> None:
    for name in ("b1", "a1", "c2"):
        add(jobs, name)
    jobs.set("c2", ToyJobStatus="Completed")
    assert names(jobs.list({})) == ["c2", "a1", "b1"]
    assert names(jobs.list({"NameContains": "A"})) == ["a1"]
    assert names(jobs.list({"StatusEquals": "Completed"})) == ["c2"]
    by_name = {"SortBy": "Name", "SortOrder": "Ascending"}
    assert names(jobs.list(by_name)) == ["a1", "b1", "c2"]


def test_a_summary_has_only_some_members(jobs: Descriptions) -> None:
    add(jobs, "a")
    (summary,) = jobs.list({})["ToyJobSummaries"]
    assert set(summary) == {
        "ToyJobName",
        "ToyJobArn",
        "ToyJobStatus",
        "CreationTime",
        "LastModifiedTime",
        "Size",
    }


def test_pages_follow_each_other_by_their_tokens() -> None:
    found = [{"Name": str(number)} for number in range(5)]
    first = page(found, {"MaxResults": 3}, "Things")
    assert first["Things"] == found[:3]
    last = page(found, {"MaxResults": 3, "NextToken": first["NextToken"]}, "Things")
    assert last == {"Things": found[3:]}


@pytest.mark.parametrize("token", ["-1", "", "x", "\u0661", "9" * 5000])
def test_a_token_that_no_page_gave_is_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="Invalid pagination token"):
        page([], {"NextToken": token}, "Things")
