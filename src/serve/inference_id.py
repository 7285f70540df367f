"""The id by which a client, or SageMaker, finds one request again.

It goes back with the answer, and into the log of requests.
"""

from __future__ import annotations

import re

from serve.asgi import Headers

INFERENCE_ID = b"x-amzn-sagemaker-inference-id"

# As SageMaker's interface has it: up to 64 characters that can be printed.
_INFERENCE_ID = re.compile(rb"[!-~][ -~]{0,63}")


def inference_id(headers: Headers) -> bytes | None:
    """The id of a request; None if it has none, or one that SageMaker wouldn't take."""
    given = headers.get(INFERENCE_ID)
    if given is None or _INFERENCE_ID.fullmatch(given) is None:
        return None
    return given
