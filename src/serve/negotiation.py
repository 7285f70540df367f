"""What a request means by its headers.

They say how the body is read, how the answer is written, and which options apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from serve.asgi import Headers
from serve.errors import HttpError
from serve.fields import shown
from serve.formats.format import BodyParser
from serve.formats.registry import FORMATS, Formats
from serve.formats.renderer import AnswerStyle, Renderer
from serve.media_types import MediaType, answer_type, request_type
from serve.options import CONTRIBUTIONS, VERBOSE, Options
from serve.questions import ONBOARDING, RECOMMEND, Wanted

_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"


class RequestHeaders(NamedTuple):
    """The headers that matter to an answer, as they came; None for those that didn't.

    Attributes:
        content_type: Content-Type.
        accept: Accept.
        attributes: X-Amzn-SageMaker-Custom-Attributes.
        encoding: Content-Encoding.
    """

    content_type: str | None = None
    accept: str | None = None
    attributes: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, headers: Headers) -> RequestHeaders:
        """Those among all headers of a request."""
        return _decoded(
            headers.get(b"content-type"),
            headers.get(b"accept"),
            headers.get(_ATTRIBUTES),
            headers.get(b"content-encoding"),
        )

    @property
    def is_slow(self) -> bool:
        """Whether they may make even one row take long enough to keep others waiting.

        This is a quick look, before anything else is known of the request.
        """
        if self.attributes is not None and CONTRIBUTIONS in self.attributes:
            return True
        content_type = (self.content_type or "").lower()
        return RECOMMEND in content_type or ONBOARDING in content_type


# Clients send the same few headers again and again.
@lru_cache(maxsize=64)
def _decoded(*values: bytes | None) -> RequestHeaders:
    decoded = [None if value is None else value.decode("latin-1") for value in values]
    return RequestHeaders(*decoded)


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What the headers mean.

    Attributes:
        parser: reads the body.
        media_type: of the answer.
        renderer: writes the answer.
        style: what the client chose about the answer.
        options: what else the client asked for.
        charset: of the body if it isn't UTF-8, else None.
    """

    parser: BodyParser
    media_type: str
    renderer: Renderer
    style: AnswerStyle
    options: Options
    charset: str | None = None

    def with_parameters(self, parameters: Mapping[str, Any]) -> Negotiated:
        """The same, with the options that the body holds.

        Raises:
            RequestError: if one is unknown or has a value that it doesn't take.
        """
        options = self.options.with_parameters(parameters)
        is_verbose = self.style.is_verbose
        if VERBOSE in parameters:
            is_verbose = options.verbose
        style = replace(self.style, is_verbose=is_verbose)
        return replace(self, options=options, style=style)


# Refusals aren't remembered.
@lru_cache(maxsize=512)
def negotiate(
    headers: RequestHeaders, first: bytes, formats: Formats = FORMATS
) -> Negotiated:
    """What these headers mean.

    Args:
        headers: of the request.
        first: the body's first character, for a request without a content type.
        formats: what can be read and written.

    Raises:
        HttpError: 406 or 415.
        RequestError: if an option or a parameter has a value that it doesn't take.
    """
    _check_encoding(headers.encoding)
    content_type = MediaType.parse(headers.content_type or "")
    requested = request_type(content_type, first, formats)
    answered = answer_type(headers.accept, requested, formats)
    options = Options.parse(headers.attributes or "")
    wanted: Wanted | None = None

    parser = formats[requested].parser
    parser_of_users = formats[requested].parser_of_users
    asks_for_movies = not {RECOMMEND, ONBOARDING}.isdisjoint(content_type.parameters)
    if parser_of_users is not None and asks_for_movies:
        wanted = Wanted.from_parameters(content_type.parameters)
        parser = parser_of_users(wanted)

    return Negotiated(
        parser=parser,
        media_type=answered.name,
        renderer=formats[answered.name].renderer,
        style=_style(answered.parameters, options, wanted),
        options=options,
        charset=content_type.charset,
    )


def _check_encoding(encoding: str | None) -> None:
    if (encoding or "").strip().lower() not in ("", "identity"):
        raise HttpError(
            415,
            f"Content-Encoding {shown(encoding)!r} isn't supported, "
            "send the rows uncompressed",
        )


def _style(
    parameters: Mapping[str, str], options: Options, wanted: Wanted | None
) -> AnswerStyle:
    return AnswerStyle(
        is_verbose=options.verbose or parameters.get("verbose") == "true",
        has_header=parameters.get("header") == "present",
        wanted=wanted,
    )
