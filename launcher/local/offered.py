"""What is offered: the services, the operations of ours, and the members of their
requests that are honoured.

Whatever isn't here is refused by its name, so nothing succeeds without having happened.
A member that asks for nothing, such as ``false``, may be anywhere.

An operation's members stand below its name. ``A.B: C D`` are the members C and D of B,
which is in A; with ``C=x|y``, only the values x and y are honoured. Whatever is within
a member belongs to it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from launcher.local.errors import RefusedError, invalid
from launcher.local.operation import Parameters

# Services by the names that requests are signed for, with the operations that moto
# answers; those of SageMaker's control plane are in the list below.
_EC2 = r"(Create|Describe|Delete)(Vpc|Subnet|SecurityGroup)s?"
_ECR = (
    r"GetAuthorizationToken|(List|Describe)Images|PutImage\w+|"
    r"\w+(Repository|Repositories|RepositoryPolicy|LifecyclePolicy|Resource|TagsFor\w+)"
)
_SERVICES = {
    "application-autoscaling": ".*",
    "ec2": _EC2,
    "ecr": _ECR,
    "iam": ".*",
    "kms": ".*",
    "logs": ".*",
    "monitoring": ".*",
    "s3": ".*",
    "sagemaker": "",
    "servicequotas": "ListServiceQuotas",
    "sts": ".*",
}

_LISTED = """
    NameContains StatusEquals SortBy=Name|Status|CreationTime SortOrder
    CreationTimeAfter CreationTimeBefore LastModifiedTimeAfter LastModifiedTimeBefore
    MaxResults NextToken
"""
_OPERATIONS = f"""
CreateTrainingJob
    TrainingJobName RoleArn HyperParameters Environment Tags CheckpointConfig
    EnableNetworkIsolation EnableInterContainerTrafficEncryption
    EnableManagedSpotTraining StoppingCondition VpcConfig
    DebugHookConfig ProfilerConfig
    AlgorithmSpecification: TrainingImage TrainingInputMode MetricDefinitions
    AlgorithmSpecification: ContainerEntrypoint ContainerArguments
    InputDataConfig: ChannelName ContentType CompressionType InputMode
    InputDataConfig: RecordWrapperType=None
    InputDataConfig.DataSource.S3DataSource: S3DataType=S3Prefix|ManifestFile
    InputDataConfig.DataSource.S3DataSource: S3Uri S3DataDistributionType
    OutputDataConfig: S3OutputPath CompressionType KmsKeyId
    ResourceConfig: InstanceType InstanceCount VolumeSizeInGB VolumeKmsKeyId
DescribeTrainingJob
    TrainingJobName
ListTrainingJobs
    {_LISTED}
StopTrainingJob
    TrainingJobName
DeleteTrainingJob
    TrainingJobName

CreateHyperParameterTuningJob
    HyperParameterTuningJobName Tags
    HyperParameterTuningJobConfig: Strategy=Bayesian|Random
    HyperParameterTuningJobConfig: HyperParameterTuningJobObjective RandomSeed
    HyperParameterTuningJobConfig: TrainingJobEarlyStoppingType ResourceLimits
    HyperParameterTuningJobConfig.ParameterRanges: IntegerParameterRanges
    HyperParameterTuningJobConfig.ParameterRanges: ContinuousParameterRanges
    HyperParameterTuningJobConfig.ParameterRanges: CategoricalParameterRanges
    TrainingJobDefinition: StaticHyperParameters AlgorithmSpecification RoleArn
    TrainingJobDefinition: InputDataConfig VpcConfig OutputDataConfig ResourceConfig
    TrainingJobDefinition: StoppingCondition EnableNetworkIsolation
    TrainingJobDefinition: EnableInterContainerTrafficEncryption
    TrainingJobDefinition: EnableManagedSpotTraining CheckpointConfig Environment
    TrainingJobDefinition.HyperParameterTuningResourceConfig: InstanceType
    TrainingJobDefinition.HyperParameterTuningResourceConfig: InstanceCount
    TrainingJobDefinition.HyperParameterTuningResourceConfig: VolumeSizeInGB
    TrainingJobDefinition.HyperParameterTuningResourceConfig: VolumeKmsKeyId
DescribeHyperParameterTuningJob
    HyperParameterTuningJobName
ListHyperParameterTuningJobs
    {_LISTED}
ListTrainingJobsForHyperParameterTuningJob
    HyperParameterTuningJobName MaxResults NextToken
StopHyperParameterTuningJob
    HyperParameterTuningJobName
DeleteHyperParameterTuningJob
    HyperParameterTuningJobName

CreateTransformJob
    TransformJobName ModelName MaxConcurrentTransforms ModelClientConfig MaxPayloadInMB
    BatchStrategy Environment Tags
    TransformInput: DataSource ContentType CompressionType SplitType=None|Line
    TransformOutput: S3OutputPath Accept AssembleWith KmsKeyId
    TransformResources: InstanceType InstanceCount VolumeKmsKeyId
DescribeTransformJob
    TransformJobName
ListTransformJobs
    {_LISTED}
StopTransformJob
    TransformJobName

CreateModel
    ModelName ExecutionRoleArn Tags VpcConfig EnableNetworkIsolation
    PrimaryContainer: Image Mode ModelDataUrl Environment ModelPackageName
    PrimaryContainer: ContainerHostname
    PrimaryContainer.ImageConfig: RepositoryAccessMode=Platform
    PrimaryContainer.ModelDataSource.S3DataSource: S3Uri S3DataType CompressionType
    Containers: Image Mode ModelDataUrl Environment ModelPackageName
    Containers: ContainerHostname
    Containers.ImageConfig: RepositoryAccessMode=Platform
    Containers.ModelDataSource.S3DataSource: S3Uri S3DataType CompressionType
    InferenceExecutionConfig: Mode=Serial
DescribeModel
    ModelName
ListModels
    {_LISTED}
DeleteModel
    ModelName

CreateModelPackageGroup
    ModelPackageGroupName ModelPackageGroupDescription Tags
DescribeModelPackageGroup
    ModelPackageGroupName
ListModelPackageGroups
    {_LISTED}
DeleteModelPackageGroup
    ModelPackageGroupName
CreateModelPackage
    ModelPackageGroupName ModelPackageName ModelPackageDescription ModelApprovalStatus
    MetadataProperties ModelMetrics CustomerMetadataProperties DriftCheckBaselines
    Domain Task SamplePayloadUrl SkipModelValidation Tags ClientToken
    InferenceSpecification: SupportedTransformInstanceTypes SupportedContentTypes
    InferenceSpecification: SupportedRealtimeInferenceInstanceTypes
    InferenceSpecification: SupportedResponseMIMETypes
    InferenceSpecification.Containers: Image ImageDigest ModelDataUrl Environment
    InferenceSpecification.Containers: ContainerHostname Framework FrameworkVersion
    InferenceSpecification.Containers: NearestModelName
    InferenceSpecification.Containers.ModelDataSource.S3DataSource: S3Uri S3DataType
    InferenceSpecification.Containers.ModelDataSource.S3DataSource: CompressionType
DescribeModelPackage
    ModelPackageName
ListModelPackages
    {_LISTED} ModelPackageGroupName ModelApprovalStatus ModelPackageType
UpdateModelPackage
    ModelPackageArn ModelApprovalStatus ApprovalDescription CustomerMetadataProperties
DeleteModelPackage
    ModelPackageName

CreateEndpointConfig
    EndpointConfigName Tags KmsKeyId
    ProductionVariants: VariantName ModelName InitialInstanceCount InstanceType
    ProductionVariants: InitialVariantWeight
    ProductionVariants.ServerlessConfig: MemorySizeInMB MaxConcurrency
    AsyncInferenceConfig.OutputConfig: S3OutputPath S3FailurePath KmsKeyId
    AsyncInferenceConfig.ClientConfig: MaxConcurrentInvocationsPerInstance
    DataCaptureConfig: EnableCapture InitialSamplingPercentage DestinationS3Uri KmsKeyId
    DataCaptureConfig: CaptureOptions CaptureContentTypeHeader
DescribeEndpointConfig
    EndpointConfigName
ListEndpointConfigs
    {_LISTED}
DeleteEndpointConfig
    EndpointConfigName

CreateEndpoint
    EndpointName EndpointConfigName Tags
DescribeEndpoint
    EndpointName
ListEndpoints
    {_LISTED}
UpdateEndpoint
    EndpointName EndpointConfigName RetainAllVariantProperties
    ExcludeRetainedVariantProperties
UpdateEndpointWeightsAndCapacities
    EndpointName
    DesiredWeightsAndCapacities: VariantName DesiredWeight DesiredInstanceCount
DeleteEndpoint
    EndpointName

AddTags
    ResourceArn Tags
ListTags
    ResourceArn MaxResults NextToken
DeleteTags
    ResourceArn TagKeys
"""


@functools.cache
def operations() -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The honoured values of each member by its path, for each operation; an empty set
    is any value.
    """
    found: dict[str, dict[str, frozenset[str]]] = {}
    for line in _OPERATIONS.splitlines():
        if line and not line.startswith(" "):
            members = found.setdefault(line, {})
            continue
        place, colon, names = line.rpartition(": ")
        prefix = f"{place.strip()}." if colon else ""
        for entry in names.split():
            name, _, values = entry.partition("=")
            members[prefix + name] = frozenset(values.split("|") if values else ())
    return found


def check_service(service: str, operation: str) -> None:
    """Return if an operation is ours, or moto's to answer.

    Args:
        service: the name that the request is signed for.
        operation: its name; empty if the service's requests don't have one.

    Raises:
        RefusedError: if it is neither.
    """
    pattern = _SERVICES.get(service)
    is_known = pattern is not None and (
        not operation
        or operation in operations()
        or re.fullmatch(pattern, operation) is not None
    )
    if not is_known:
        name = f"{service} {operation}".strip()
        raise RefusedError(
            "UnknownOperationException", f"`launcher local` doesn't offer {name}"
        )


def check_members(operation: str, parameters: Parameters) -> None:
    """Return if all members of a request to SageMaker are honoured.

    Raises:
        RefusedError: names all that aren't.
    """
    faults = list(_faults("", parameters, operations()[operation]))
    if faults:
        raise invalid(f"`launcher local` doesn't offer {operation} {', '.join(faults)}")


def _faults(
    path: str, value: Any, members: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    if path in members:
        honoured = members[path]
        if honoured and value not in honoured:
            yield f"with {path} {value}, only {' and '.join(sorted(honoured))}"
    elif isinstance(value, list):
        for item in value:
            yield from _faults(path, item, members)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _faults(f"{path}.{name}" if path else name, item, members)
    elif value:
        yield f"with {path}"
