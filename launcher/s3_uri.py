"""Addresses in S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class S3Uri:
    """A bucket and a key, or the beginning of keys.

    Example:
        >>> place = S3Uri.parse("s3://bucket/jobs/")
        >>> str(place / "model.tar.gz")
        's3://bucket/jobs/model.tar.gz'
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read ``s3://bucket/key``.

        Raises:
            ValueError: if it isn't such an address.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise ValueError(f"{uri!r} is no S3 URI, expected s3://bucket/key")
        return cls(bucket, key)

    def __truediv__(self, name: str) -> S3Uri:
        return S3Uri(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"
