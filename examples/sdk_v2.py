"""SageMaker's Python SDK, version 2, in local mode: train, deploy, predict and
transform, without an AWS account.

    python examples/sdk_v2.py halfstar:latest data/ml-latest-small

needs `sagemaker[local]` 2 and Docker with compose.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import boto3
from sagemaker.deserializers import JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.serializers import JSONSerializer

ROLE = "arn:aws:iam::123456789012:role/local"  # local mode wants one, and never uses it


def main(image: str, data: Path) -> None:
    """Print the predictions for a few raw ids, and the lines of a batch."""
    boto = boto3.Session(
        "local", "local", region_name="us-east-1"
    )  # local mode wants keys, and never uses them
    session = LocalSession(boto)
    session.config = {"local": {"local_code": True, "region_name": "us-east-1"}}
    work = Path(tempfile.mkdtemp(prefix="halfstar-"))
    estimator = Estimator(
        image,
        ROLE,
        instance_count=1,
        instance_type="local",
        output_path=f"file://{work / 'output'}",
        sagemaker_session=session,
        hyperparameters={"num_round": 20, "split": "tutorial"},
    )
    estimator.fit({"training": f"file://{data.resolve()}"})

    predictor = estimator.deploy(
        1, "local", serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    try:
        answers = predictor.predict(
            [{"userId": 1, "movieId": 318}, {"userId": 1, "movieId": 1}]
        )
    finally:
        predictor.delete_endpoint()

    (work / "input").mkdir()
    (work / "input" / "ids.csv").write_text("1,318\n1,1\n")
    transformer = estimator.transformer(
        1,
        "local",
        strategy="MultiRecord",
        assemble_with="Line",
        output_path=f"file://{work / 'batch'}",
    )
    # Waiting would read CloudWatch's logs, which there are none of here.
    transformer.transform(
        f"file://{work / 'input'}",
        content_type="text/csv",
        split_type="Line",
        wait=False,
        logs=False,
    )
    batch = (work / "batch" / "ids.csv.out").read_text()
    print(
        json.dumps(
            {
                "model": estimator.model_data,
                "predictions": answers,
                "batch": batch.splitlines(),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
