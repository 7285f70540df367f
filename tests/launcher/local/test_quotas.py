"""How many instances the account may have."""

from __future__ import annotations

import pytest

from launcher.local.errors import RefusedError
from launcher.local.quotas import check_quota, list_quotas


def test_a_new_account_has_no_accelerated_instances() -> None:
    check_quota("ml.m5.large", "endpoint usage", 20)
    with pytest.raises(RefusedError, match="is 0 Instances") as refused:
        check_quota("ml.g4dn.xlarge", "endpoint usage", 1)
    assert refused.value.code == "ResourceLimitExceeded"


def test_more_instances_than_the_quota_are_refused() -> None:
    with pytest.raises(
        RefusedError, match="is 20 Instances, and the request is for 21"
    ):
        check_quota("ml.m5.large", "training job usage", 21)


def test_quotas_are_listed_page_by_page() -> None:
    listed = list_quotas({"ServiceCode": "sagemaker", "MaxResults": 2})
    assert len(listed["Quotas"]) == 2
    assert "NextToken" in listed
    with pytest.raises(RefusedError, match="no quotas of ec2 here"):
        list_quotas({"ServiceCode": "ec2"})
