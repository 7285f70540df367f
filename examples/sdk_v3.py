"""SageMaker's Python SDK, version 3, in local mode: train, then ask an endpoint,
without an AWS account.

    python examples/sdk_v3.py halfstar:latest data/ml-latest-small

needs `sagemaker` 3 and Docker with compose. If the training job fails, the script
raises an exception.
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

# Local mode wants a role and keys, and never uses them.
ROLE = "arn:aws:iam::123456789012:role/local"
KEYS = ("local", "local")
NAME = "halfstar"


def main(image: str, data: Path) -> None:
    """Print the predictions for two pairs of raw ids."""
    boto = boto3.Session(*KEYS, region_name="us-east-1")
    work = Path(tempfile.mkdtemp(prefix="halfstar-"))

    # Train.
    trainer = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER,
        sagemaker_session=Session(boto),
        training_image=image,
        role=ROLE,
        base_job_name=NAME,
        compute=Compute(instance_type="local_cpu", instance_count=1),
        hyperparameters={"num_round": 20, "split": "tutorial"},
        local_container_root=str(work),
    )
    training = InputData(channel_name="training", data_source=str(data.resolve()))
    trainer.train(input_data_config=[training])
    archive = work / "compressed_artifacts" / "model.tar.gz"
    if not archive.exists():
        sys.exit("the job left no model: see the log above for its reason")

    # Deploy.
    session = LocalSession(boto)
    sagemaker = session.sagemaker_client
    container = {"Image": image, "ModelDataUrl": f"file://{archive}", "Environment": {}}
    sagemaker.create_model(NAME, container)
    variant = {
        "VariantName": "main",
        "ModelName": NAME,
        "InstanceType": "local",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(NAME, [variant])
    sagemaker.create_endpoint(NAME, NAME)

    # Predict.
    rows = [{"userId": 1, "movieId": 318}, {"userId": 1, "movieId": 1}]
    try:
        answer = session.sagemaker_runtime_client.invoke_endpoint(
            Body=json.dumps(rows),
            EndpointName=NAME,
            ContentType="application/json",
            Accept="application/json",
        )
        predictions = json.loads(answer["Body"].read())
    finally:
        sagemaker.delete_endpoint(NAME)
    print(json.dumps({"model": str(archive), "predictions": predictions}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
