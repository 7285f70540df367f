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

# Local mode wants a role and keys, and never uses them.
ROLE = "arn:aws:iam::123456789012:role/local"
KEYS = ("local", "local")
REGION = "us-east-1"


def main(image: str, data: Path) -> None:
    """Print the predictions for two pairs of raw ids, once asked of an endpoint and
    once of a batch.
    """
    session = LocalSession(boto3.Session(*KEYS, region_name=REGION))
    session.config = {"local": {"local_code": True, "region_name": REGION}}
    work = Path(tempfile.mkdtemp(prefix="halfstar-"))

    # Train.
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

    # Deploy and predict.
    predictor = estimator.deploy(
        1, "local", serializer=JSONSerializer(), deserializer=JSONDeserializer()
    )
    try:
        predictions = predictor.predict(
            [{"userId": 1, "movieId": 318}, {"userId": 1, "movieId": 1}]
        )
    finally:
        predictor.delete_endpoint()

    # Transform.
    rows = work / "input" / "ids.csv"
    rows.parent.mkdir()
    rows.write_text("1,318\n1,1\n")
    transformer = estimator.transformer(
        1,
        "local",
        strategy="MultiRecord",
        assemble_with="Line",
        output_path=f"file://{work / 'batch'}",
    )
    # To wait for it, the SDK would read CloudWatch's logs, and there are none here.
    transformer.transform(
        f"file://{rows.parent}",
        content_type="text/csv",
        split_type="Line",
        wait=False,
        logs=False,
    )
    batch = (work / "batch" / "ids.csv.out").read_text()

    result = {
        "model": estimator.model_data,
        "predictions": predictions,
        "batch": batch.splitlines(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
