"""Network and keys, as the members of requests that take them.

What isn't configured isn't sent, so that an account's defaults count.
"""

from __future__ import annotations

from typing import Any

from launcher.config import Config
from launcher.errors import ConfigError


def network(config: Config) -> dict[str, Any]:
    """The network of a training job or a model.

    Without subnets that is SageMaker's own. With isolation the containers reach nothing
    at all; SageMaker itself brings the data and takes the results.

    Raises:
        ConfigError: subnets without security groups, or the other way round.
    """
    members: dict[str, Any] = {}
    if bool(config.network_subnets) != bool(config.network_security_groups):
        raise ConfigError(
            "network.subnets and network.security_groups go together: set both"
        )
    if config.network_subnets:
        members["VpcConfig"] = {
            "Subnets": list(config.network_subnets),
            "SecurityGroupIds": list(config.network_security_groups),
        }
    if config.network_isolation:
        members["EnableNetworkIsolation"] = True
    return members


def traffic(config: Config) -> dict[str, bool]:
    """Encryption between the hosts of a training job."""
    if not config.network_encrypt_traffic:
        return {}
    return {"EnableInterContainerTrafficEncryption": True}


def key(member: str, key_id: str) -> dict[str, str]:
    """A member that names a KMS key, if there is one."""
    return {member: key_id} if key_id else {}


def bucket_encryption(config: Config) -> dict[str, Any]:
    """The encryption of the bucket: with its key, or with S3's own."""
    if not config.keys_bucket:
        default = {"SSEAlgorithm": "AES256"}
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": config.keys_bucket}
    # A bucket key saves a request to KMS for each object.
    rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
    return {"Rules": [rule]}


def encryption_key(encryption: dict[str, Any] | None) -> str | None:
    """The KMS key of a bucket's encryption, as S3 describes it.

    Empty is S3's own key, None no encryption.
    """
    if encryption is None:
        return None
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    default = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    return str(default.get("KMSMasterKeyID", ""))
