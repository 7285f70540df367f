"""What a user of version 2 of SageMaker's SDK does, against whatever endpoint the
environment names: train, tune, deploy, update, transform, register.

Usage: ``python judge_v2.py IMAGE ROLE BUCKET``. It prints what
it found as one line of JSON, and knows nothing of the services that it calls.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import boto3
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.deserializers import BytesDeserializer
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.model import Model, ModelPackage
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.predictor import Predictor
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sagemaker.session import Session
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner, IntegerParameter

INSTANCE = "ml.m5.large"
METRICS = [{"Name": "test:rmse", "Regex": r"metric test:rmse=([0-9.]+)"}]
ROWS = "1,318\n1,1\n"


def main(image: str, role: str, bucket: str) -> dict[str, Any]:
    """Do all of it; gives what was found on the way."""
    session = Session(default_bucket=bucket)
    data = f"s3://{bucket}/data/"
    output = f"s3://{bucket}/v2"
    found: dict[str, Any] = {}

    def estimator(**settings: Any) -> Estimator:
        return Estimator(
            image,
            role,
            instance_count=1,
            instance_type=INSTANCE,
            output_path=output,
            sagemaker_session=session,
            metric_definitions=METRICS,
            **settings,
        )

    # Training on spot capacity, with checkpoints and two channels.
    trained = estimator(
        hyperparameters={"num_round": 5, "features": "none"},
        use_spot_instances=True,
        max_run=600,
        max_wait=1200,
        checkpoint_s3_uri=f"s3://{bucket}/v2/checkpoints",
        tags=[{"Key": "team", "Value": "judges"}],
    )
    trained.fit({"training": TrainingInput(data)}, logs="Training")
    found["model"] = trained.model_data
    job = trained.latest_training_job.name
    analytics = TrainingJobAnalytics(
        job, metric_names=["test:rmse"], sagemaker_session=session
    )
    found["analytics"] = analytics.dataframe()["value"].tolist()

    # Tuning.
    tuner = HyperparameterTuner(
        estimator(hyperparameters={"num_round": 5, "features": "none"}),
        "test:rmse",
        {"eta": ContinuousParameter(0.05, 0.5), "max_depth": IntegerParameter(2, 4)},
        METRICS,
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.fit({"training": TrainingInput(data)})
    tuner.wait()
    found["best"] = tuner.best_training_job()
    found["tuned"] = len(tuner.analytics().dataframe())

    # An endpoint with data capture, asked, updated to two instances, and deleted.
    predictor = trained.deploy(
        1,
        INSTANCE,
        serializer=CSVSerializer(),
        deserializer=BytesDeserializer(),
        data_capture_config=DataCaptureConfig(
            enable_capture=True,
            sampling_percentage=100,
            destination_s3_uri=f"s3://{bucket}/capture",
        ),
    )
    found["endpoint"] = ask(predictor)
    streamed = session.sagemaker_runtime_client.invoke_endpoint_with_response_stream(
        EndpointName=predictor.endpoint_name, Body=ROWS, ContentType="text/csv"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in streamed["Body"]]
    found["streamed"] = b"".join(parts).decode()
    predictor.update_endpoint(initial_instance_count=2, instance_type=INSTANCE)
    found["updated"] = ask(predictor)
    variants = session.describe_endpoint(predictor.endpoint_name)["ProductionVariants"]
    found["instances"] = variants[0]["CurrentInstanceCount"]
    delete(predictor)

    # A model of a data address: serverless, asynchronous, in batches.
    model = Model(
        image,
        trained.model_data,
        role,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    serverless = model.deploy(
        serializer=CSVSerializer(),
        deserializer=BytesDeserializer(),
        serverless_inference_config=ServerlessInferenceConfig(2048, 4),
    )
    found["serverless"] = ask(serverless)
    delete(serverless)

    later = model.deploy(
        1,
        INSTANCE,
        serializer=CSVSerializer(),
        deserializer=BytesDeserializer(),
        async_inference_config=AsyncInferenceConfig(output_path=f"{output}/later"),
    )
    response = later.predict_async(ROWS, initial_args={"ContentType": "text/csv"})
    until(lambda: response.get_result() is not None)
    found["later"] = response.get_result().decode()
    later.predictor.delete_endpoint()

    boto3.client("s3").put_object(Bucket=bucket, Key="v2/rows/rows.csv", Body=ROWS)
    transformer = model.transformer(
        1,
        INSTANCE,
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"{output}/batch",
    )
    transformer.transform(
        f"s3://{bucket}/v2/rows/", content_type="text/csv", split_type="Line"
    )
    answer = boto3.client("s3").get_object(Bucket=bucket, Key="v2/batch/rows.csv.out")
    found["batch"] = answer["Body"].read().decode()

    # The registry. `deploy` approves what isn't approved yet.
    registered = model.register(
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=[INSTANCE],
        transform_instances=[INSTANCE],
        model_package_group_name="judged",
        approval_status="PendingManualApproval",
    )
    package = ModelPackage(
        role,
        model_package_arn=registered.model_package_arn,
        predictor_cls=Predictor,
        sagemaker_session=session,
    )
    packaged = package.deploy(
        1, INSTANCE, serializer=CSVSerializer(), deserializer=BytesDeserializer()
    )
    found["packaged"] = ask(packaged)
    delete(packaged)
    return found


def ask(predictor: Predictor) -> str:
    """The answer to the rows, as text."""
    predictor.deserializer = BytesDeserializer()
    return bytes(
        predictor.predict(ROWS, {"ContentType": "text/csv", "Accept": "text/csv"})
    ).decode()


def delete(predictor: Predictor) -> None:
    """Delete an endpoint, its configuration and its model."""
    predictor.delete_model()
    predictor.delete_endpoint()


def until(holds: Callable[[], bool]) -> None:
    """Return once the condition holds; whoever runs this has a time limit."""
    while True:
        try:
            if holds():
                return
        except Exception as error:
            if "not found" not in str(error).lower() and "Inference" not in str(error):
                raise
        time.sleep(0.5)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
