"""The AWS account that the launcher works in."""

from __future__ import annotations

from dataclasses import dataclass

from launcher.aws import Aws


@dataclass(frozen=True, slots=True)
class Account:
    """Whose credentials these are, and where they work.

    Attributes:
        id: the account's twelve digits.
        partition: such as ``aws`` or ``aws-cn``.
        region: such as ``eu-central-1``.
        caller: ARN of the user or role that the credentials belong to.
    """

    id: str
    partition: str
    region: str
    caller: str

    @property
    def ecr_host(self) -> str:
        """The host of this account's ECR."""
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{self.id}.dkr.ecr.{self.region}.{suffix}"

    def owned(self, bucket: str) -> dict[str, str]:
        """The parameters of an S3 request about a bucket of this account.

        S3 refuses the request if the bucket has another owner.
        """
        return {"Bucket": bucket, "ExpectedBucketOwner": self.id}


def read_account(aws: Aws) -> Account:
    """The account that the credentials belong to.

    Raises:
        AwsError: there are no credentials, or AWS refuses them.
    """
    identity = aws.read("sts", "GetCallerIdentity")
    caller = identity["Arn"]
    partition = caller.split(":")[1]
    return Account(identity["Account"], partition, aws.region, caller)
