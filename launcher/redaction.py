"""What must not be shown of texts that people, logs and tickets get to see.

Passwords get into addresses, such as those of proxies and of services behind them, and
from there into the messages of libraries. So whatever the launcher says goes through
`redacted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

HIDDEN = "***"

# The user in an address ends at the last @ before the path. A digest behind an image's
# name is no user.
_IN_ADDRESS = re.compile(r"(?<=://)[^\s/?#'\"]+@(?!sha256:)")
# A password may have a slash, or the address may lack its scheme.
_PAIR = re.compile(
    r"(?<![\w.@/:-])(?!arn:)[^\s:/@'\"=(*]+:(?!//)[^\s'\"]*@(?!sha256:)(?=[\w\[])"
)
_LONG_PASSWORD = re.compile(r"(?<=://)[^\s:/@'\"]+:[^\s'\"]*@(?!sha256:)(?=[\w\[])")
# Parameters of presigned addresses, and of those that carry tokens.
_PARAMETER = re.compile(
    r"(?i)([?&](?:[\w-]*(?:signature|credential|token|password|secret|api-?key)"
    r"|AWSAccessKeyId|sig))=[^&\s'\"]+"
)
_HEADER = re.compile(r"(?i)(authorization['\"]?\s*[:=]\s*['\"]?\w+)\s+[^\s,'\"]+")
_SECRET_NAME = re.compile(r"(?i)key|secret|token|password|credential")


def redacted(text: str) -> str:
    """The text without passwords, tokens and signatures.

    Example:
        >>> redacted("can't reach http://user:secret@proxy:3128/a")
        "can't reach http://***@proxy:3128/a"
        >>> redacted("s3.amazonaws.com/b/k?X-Amz-Signature=0a1b&X-Amz-Expires=60")
        's3.amazonaws.com/b/k?X-Amz-Signature=***&X-Amz-Expires=60'
    """
    for pattern in (_LONG_PASSWORD, _IN_ADDRESS, _PAIR):
        text = pattern.sub(f"{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1={HIDDEN}", text)
    return _HEADER.sub(rf"\1 {HIDDEN}", text)


def without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """Environment variables, with only the names of those that sound secret.

    Example:
        >>> without_secrets({"HALFSTAR_SIGNING_KEY": "0123", "HALFSTAR_WORKERS": "2"})
        {'HALFSTAR_SIGNING_KEY': '***', 'HALFSTAR_WORKERS': '2'}
    """
    return {
        name: HIDDEN if is_secret(name) else redacted(value)
        for name, value in variables.items()
    }


def is_secret(name: str) -> bool:
    """Whether a variable of this name has a value that isn't to be shown.

    The name of a file that has a secret is no secret.
    """
    return _SECRET_NAME.search(name) is not None and not name.endswith("_FILE")
