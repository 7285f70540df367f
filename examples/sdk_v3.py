"""SageMaker's Python SDK, version 3, in local mode: train, then ask an endpoint,
without an AWS account.

    python examples/sdk_v3.py halfstar:latest data/ml-latest-small

needs `sagemaker` 3 and Docker with compose. A training job that fails is raised.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.local.local_session import LocalSession
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.model_trainer import Mode

ROLE = "arn:aws:iam::123456789012:role/local"  # local mode wants one, and never uses it


def main(image: str, data: Path) -> None:
    """Print the predictions for a few raw ids."""
    boto = boto3.Session(
        "local", "local", region_name="us-east-1"
    )  # local mode wants keys, and never uses them
    work = Path(tempfile.mkdtemp(prefix="halfstar-"))
    trainer = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER,
        sagemaker_session=Session(boto),
        training_image=image,
        role=ROLE,
        base_job_name="halfstar",
        compute=Compute(instance_type="local_cpu", instance_count=1),
        hyperparameters={"num_round": 20, "split": "tutorial"},
        local_container_root=str(work),
    )
    trainer.train(
        input_data_config=[
            InputData(channel_name="training", data_source=str(data.resolve()))
        ]
    )
    archive = work / "compressed_artifacts" / "model.tar.gz"
    if not archive.exists():
        sys.exit("the job left no model: its reason is in the log above")

    session = LocalSession(boto)
    client, name = session.sagemaker_client, "halfstar"
    container = {"Image": image, "ModelDataUrl": f"file://{archive}", "Environment": {}}
    client.create_model(name, container)
    variant = {
        "VariantName": "main",
        "ModelName": name,
        "InstanceType": "local",
        "InitialInstanceCount": 1,
    }
    client.create_endpoint_config(name, [variant])
    client.create_endpoint(name, name)
    try:
        body = json.dumps([{"userId": 1, "movieId": 318}, {"userId": 1, "movieId": 1}])
        answer = session.sagemaker_runtime_client.invoke_endpoint(
            Body=body,
            EndpointName=name,
            ContentType="application/json",
            Accept="application/json",
        )
        predictions = json.loads(answer["Body"].read())
    finally:
        client.delete_endpoint(name)
    print(json.dumps({"model": str(archive), "predictions": predictions}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
