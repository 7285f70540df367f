"""``register`` against a server of AWS's interface."""

from __future__ import annotations

import json

from movielens.evaluation import Evaluation
from tests.examples import EVALUATION
from tests.launcher.commands.conftest import IMAGE_AND_ROLE
from tests.launcher.conftest import BUCKET, AwsServer, Launcher


def test_a_model_is_registered_once_with_its_evaluation(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    first = launcher(*IMAGE_AND_ROLE, "register", "--json")
    assert first.code == 0, first.err
    second = launcher(*IMAGE_AND_ROLE, "register", "--job", trained, "--json")
    assert f"{trained} is registered already" in second.err
    assert second.json == first.json

    key = f"evaluations/{trained}.json"
    stored = aws.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert Evaluation.from_json(json.loads(stored)) == EVALUATION


def test_a_foreign_package_group_with_our_name_is_refused(
    launcher: Launcher, trained: str, aws: AwsServer
) -> None:
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName="halfstar")
    result = launcher(*IMAGE_AND_ROLE, "register", "--job", trained)
    assert result.code == 1
    assert "model package group halfstar exists, but isn't ours" in result.err
