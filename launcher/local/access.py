"""Who may call what: the administrator's key may do everything, and keys that the
stack's own IAM and STS gave are known.
"""

from __future__ import annotations

from werkzeug.wrappers import Request

from launcher.local.errors import RefusedError
from launcher.local.gateway import Call
from launcher.local.settings import ACCOUNT, StackSettings

# Paths of services whose every request has a signature.
_SIGNED = ("/_local/", "/endpoints/", "/service/")


class Access:
    """Checks the access key of every call."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings

    def check(self, call: Call, request: Request) -> None:
        """Return if a call is allowed. S3 also takes some without a signature.

        Raises:
            RefusedError: if it isn't, in the words of the service that is called.
        """
        if call.key == self._settings.access_key:
            return
        if not call.key:
            if "X-Amz-Target" in request.headers or request.path.startswith(_SIGNED):
                raise RefusedError(
                    "MissingAuthenticationTokenException",
                    "Missing Authentication Token",
                )
            return
        from moto.iam.access_control import CreateAccessKeyFailure, create_access_key

        headers = dict(request.headers)
        try:
            create_access_key(ACCOUNT, "aws", call.key, headers)
        except (CreateAccessKeyFailure, KeyError) as error:
            raise _unknown_key(call, request) from error


def _unknown_key(call: Call, request: Request) -> RefusedError:
    if call.service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return RefusedError("InvalidAccessKeyId", message, 403)
    message = "The security token included in the request is invalid."
    if "X-Amz-Target" in request.headers or call.service == "sagemaker":
        return RefusedError("UnrecognizedClientException", message)
    return RefusedError("InvalidClientTokenId", message, 403)
