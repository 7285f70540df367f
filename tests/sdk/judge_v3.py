"""What a user of version 3 of SageMaker's SDK does, against whatever endpoint the
environment names: train, deploy, ask, transform.

Usage: ``python judge_v3.py IMAGE ROLE BUCKET``. It prints what
it found as one line of JSON, and knows nothing of the services that it calls.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, TransformJob
from sagemaker.core.shapes import (
    ContainerDefinition,
    ProductionVariant,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    StoppingCondition,
)

INSTANCE = "ml.m5.large"
NAME = "judged-v3"
ROWS = "1,318\n1,1\n"


def main(image: str, role: str, bucket: str) -> dict[str, Any]:
    """Do all of it; gives what was found on the way."""
    output = f"s3://{bucket}/v3"
    found: dict[str, Any] = {}

    trainer = ModelTrainer(
        sagemaker_session=Session(),
        training_image=image,
        role=role,
        base_job_name=NAME,
        compute=Compute(instance_type=INSTANCE, instance_count=1, volume_size_in_gb=5),
        hyperparameters={"num_round": 5, "features": "none"},
        output_data_config=OutputDataConfig(s3_output_path=output),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=600),
    )
    data = InputData(channel_name="training", data_source=f"s3://{bucket}/data/")
    trainer.train(input_data_config=[data])
    job = trainer._latest_training_job
    job.refresh()
    found["status"] = job.training_job_status
    found["model"] = job.model_artifacts.s3_model_artifacts

    container = ContainerDefinition(image=image, model_data_url=found["model"])
    model = Model.create(
        model_name=NAME, primary_container=container, execution_role_arn=role
    )
    variant = ProductionVariant(
        variant_name="main",
        model_name=NAME,
        initial_instance_count=1,
        instance_type=INSTANCE,
    )
    config = EndpointConfig.create(
        endpoint_config_name=NAME, production_variants=[variant]
    )
    endpoint = Endpoint.create(endpoint_name=NAME, endpoint_config_name=NAME)
    endpoint.wait_for_status("InService")
    answer = endpoint.invoke(body=ROWS, content_type="text/csv", accept="text/csv")
    found["endpoint"] = answer.body.read().decode()

    boto3.client("s3").put_object(Bucket=bucket, Key="v3/rows/rows.csv", Body=ROWS)
    source = TransformS3DataSource(
        s3_data_type="S3Prefix", s3_uri=f"s3://{bucket}/v3/rows/"
    )
    batch = TransformJob.create(
        transform_job_name=NAME,
        model_name=NAME,
        transform_input=TransformInput(
            data_source=TransformDataSource(s3_data_source=source),
            content_type="text/csv",
            split_type="Line",
        ),
        transform_output=TransformOutput(
            s3_output_path=f"{output}/batch", accept="text/csv", assemble_with="Line"
        ),
        transform_resources=TransformResources(
            instance_type=INSTANCE, instance_count=1
        ),
    )
    batch.wait(poll=1)
    answer = boto3.client("s3").get_object(Bucket=bucket, Key="v3/batch/rows.csv.out")
    found["batch"] = answer["Body"].read().decode()

    endpoint.delete()
    endpoint.wait_for_delete()
    config.delete()
    model.delete()
    found["endpoints"] = len(list(Endpoint.get_all(name_contains=NAME)))
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
