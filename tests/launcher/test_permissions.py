from __future__ import annotations

import pytest
from botocore.loaders import Loader

from launcher.permissions import TABLE, permissions_of
from launcher.requests import Request


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("sagemaker", "CreateModel", "sagemaker:CreateModel"),
        ("sagemaker-runtime", "InvokeEndpoint", "sagemaker:InvokeEndpoint"),
        ("s3", "HeadBucket", "s3:ListBucket"),
        ("s3", "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    ],
)
def test_the_first_permission_of_a_request_is_the_one_for_itself(
    service: str, operation: str, action: str
) -> None:
    assert permissions_of(Request(service, operation))[0].action == action


def test_every_request_of_the_table_is_one_of_the_service() -> None:
    loader = Loader()
    for service, operation in TABLE:
        model = loader.load_service_model(service, "service-2")
        assert operation in model["operations"]


def test_a_request_that_the_table_lacks_is_a_bug() -> None:
    with pytest.raises(LookupError):
        permissions_of(Request("s3", "PutBucketPolicy"))
