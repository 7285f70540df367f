"""``play``: a page on this machine to try a model with."""

from __future__ import annotations

import contextlib
import signal
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from launcher import names
from launcher.errors import ConfigError
from launcher.options import Json, start_session

if TYPE_CHECKING:
    from launcher.play.answers import Answers
    from launcher.play.asking import Asks
    from launcher.session import Session


def play(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Option(help="Serve these files here: a directory or a model.tar.gz."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask a server of this machine instead.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="Local image that serves --model.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DIRECTORY", help="Where titles and ratings are."),
    ] = None,
    port: Annotated[int, typer.Option(help="Of the page (a free one).", min=0)] = 0,
    show: Annotated[
        bool, typer.Option("--open/--no-open", help="Open it in the browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Try a model in the browser, until Ctrl-C. It shows movies by title, users,
    why a rating is predicted, and recommendations. Without --model or --url it is
    our endpoint.
    """
    from launcher.play.answers import Answers
    from launcher.play.data import PlayData
    from launcher.play.server import PlayServer

    if model is not None and url is not None:
        raise ConfigError("give either --model or --url, or neither for our endpoint")
    is_local = model is not None or url is not None
    session = start_session(
        context, as_json, settings={"data": data}, needs_region=not is_local
    )
    directory = Path(session.config.data)
    session.say(f"read titles and ratings of {directory}")
    found = PlayData.read(directory, most_bad=1.0)

    with contextlib.ExitStack() as stack:
        asks, source = _model(session, stack, model, url, image)
        answers = Answers(asks, found, source)
        _warm_up(answers)
        server = stack.enter_context(PlayServer(answers, port))
        session.emit({"url": server.url}, server.url)
        is_shown = show and webbrowser.open(server.url)
        how = "Ctrl-C ends it" if is_shown else "open it in a browser; Ctrl-C ends it"
        session.say(how)
        session.doing = f"serve {server.url}"
        session.resume = "nothing is left behind"
        # What was started is ended in either case.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        server.serve_forever()


def _model(
    session: Session,
    stack: contextlib.ExitStack,
    model: Path | None,
    url: str | None,
    image: str | None,
) -> tuple[Asks, str]:
    """What answers, and what it is called on the page."""
    from launcher.play.asking import ServerClient
    from launcher.play.model_server import model_files, serving

    if url is not None:
        return stack.enter_context(ServerClient(url)), url
    if model is not None:
        directory = stack.enter_context(model_files(model))
        name = image or names.image(session.config)
        served = stack.enter_context(serving(directory, name, session.say))
        return stack.enter_context(ServerClient(served)), str(model)

    from launcher.endpoint_client import EndpointClient

    return EndpointClient(session), f"endpoint {names.endpoint(session.config)}"


def _warm_up(answers: Answers) -> None:
    """Ask once, so that the page's first question is as quick as the others.

    Whatever is wrong with the model is said before there is a page.
    """
    nobody: dict[str, Any] = {"rated": []}
    answers.recommend({**nobody, "count": 1})
    for movie in answers.data.popular(1):
        answers.predict({**nobody, "movie_id": movie.movie_id})
