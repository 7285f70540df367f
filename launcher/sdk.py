"""For notebooks that use AWS's package ``sagemaker``: what each would write again.

1. `estimator` (version 2) and `trainer` (version 3) make AWS's own objects, with our
   metric definitions, checked hyperparameters and defaults.
2. `read_evaluation` reads what a job has found out, and `distances` and `confusion`
   make frames of it.
3. `Predictor` takes pairs, frames and histories, and gives frames back. It asks by
   ``invoke_endpoint``, which boto3 and the local modes of both versions have.

`deploy` does what version 3 leaves to its user in local mode. ``sagemaker`` is imported
where it is used, so that all but those functions work without it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pandas as pd

from launcher.config import Config
from launcher.errors import ConfigError, LauncherError
from launcher.s3_uri import S3Uri
from launcher.specification import check_hyperparameters, metric_definitions
from launcher.world.jobs import evaluation_in
from movielens.columns import MOVIE_ID, RATING, TIMESTAMP, USER_ID
from movielens.evaluation import DISTANCES, Evaluation, Figures
from movielens.json_text import parse_json

Pairs = pd.DataFrame | Iterable[tuple[int, int]]
"""Users and movies by their raw ids: a frame with the columns ``userId``, ``movieId``
and perhaps ``timestamp``, or pairs.
"""

History = pd.DataFrame | Iterable[tuple[int, float]]
"""A user's own ratings: a frame with the columns ``movieId``, ``rating`` and perhaps
``timestamp``, or pairs of a movie and its stars.
"""

CHANNEL = "training"
JSON = "application/json"
VARIANT = "main"
PROBABILITY = "probability_"

# So many rows answer with about 3 MB.
ROWS_A_REQUEST = 5_000
# `serve` takes no more of them in a request.
QUESTIONS_A_REQUEST = 200

# Local mode wants a role and keys, and never uses them.
LOCAL_ROLE = "arn:aws:iam::123456789012:role/local"
_LOCAL_KEYS = ("local", "local")

T = TypeVar("T")


def local_session(region: str = "us-east-1") -> Any:
    """A session of the SDK's local mode, of whichever version is installed.

    It needs Docker with compose, and no AWS account.
    """
    import boto3

    boto_session = boto3.Session(*_LOCAL_KEYS, region_name=region)
    if _version() == 2:
        from sagemaker.local import LocalSession
    else:
        from sagemaker.core.local.local_session import LocalSession

    session = LocalSession(boto_session)
    session.config = {"local": {"local_code": True, "region_name": region}}
    return session


def estimator(
    image: str,
    role: str = LOCAL_ROLE,
    *,
    session: Any,
    instance_type: str = "local",
    hyperparameters: Mapping[str, object] | None = None,
    **options: Any,
) -> Any:
    """An ``Estimator`` of version 2.

    Args:
        image: URI of our image.
        role: execution role; local mode needs none.
        session: of the SDK, such as `local_session` makes.
        instance_type: such as ``ml.m5.large``; ``local`` runs on this machine.
        hyperparameters: checked by the job's own rules.
        options: anything else that ``sagemaker.estimator.Estimator`` takes.

    Raises:
        ConfigError: hyperparameters that the job would refuse, all of them named; or
            another version of the SDK.
    """
    _need_version(2, "trainer")
    from sagemaker.estimator import Estimator

    defaults = {
        "instance_count": 1,
        "max_run": Config().training_max_seconds,
        "volume_size": Config().training_volume_gb,
    }
    return Estimator(
        image,
        role,
        instance_type=instance_type,
        sagemaker_session=session,
        hyperparameters=_as_text(hyperparameters or {}),
        metric_definitions=metric_definitions(),
        **{**defaults, **options},
    )


def trainer(
    image: str,
    role: str = LOCAL_ROLE,
    *,
    session: Any,
    instance_type: str = "local_cpu",
    hyperparameters: Mapping[str, object] | None = None,
    **options: Any,
) -> Any:
    """A ``ModelTrainer`` of version 3; the arguments are those of `estimator`.

    Raises:
        ConfigError: hyperparameters that the job would refuse, all of them named; or
            another version of the SDK.
    """
    _need_version(3, "estimator")
    from sagemaker.core.shapes import MetricDefinition
    from sagemaker.train import ModelTrainer
    from sagemaker.train.configs import Compute
    from sagemaker.train.model_trainer import Mode

    is_local = instance_type.startswith("local")
    made = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER if is_local else Mode.SAGEMAKER_TRAINING_JOB,
        sagemaker_session=session,
        training_image=image,
        role=role,
        base_job_name=Config().name,
        compute=Compute(instance_type=instance_type, instance_count=1),
        hyperparameters=_as_text(hyperparameters or {}),
        **options,
    )
    definitions = [
        MetricDefinition(name=each["Name"], regex=each["Regex"])
        for each in metric_definitions()
    ]
    return made.with_metric_definitions(definitions)


def deploy(
    image: str,
    model_data: str,
    role: str = LOCAL_ROLE,
    *,
    session: Any,
    name: str = "halfstar",
    instance_type: str = "local",
    environment: Mapping[str, str] | None = None,
) -> Predictor:
    """Make a model, an endpoint configuration and an endpoint, and wait for it.

    With version 2, an estimator's own ``deploy`` does the same.

    Args:
        image: URI of our image.
        model_data: URI of ``model.tar.gz``.
        role: execution role; local mode needs none.
        session: of the SDK.
        name: of all three.
        instance_type: ``local`` runs on this machine.
        environment: variables of the container.
    """
    client = session.sagemaker_client
    container = {
        "Image": image,
        "ModelDataUrl": model_data,
        "Environment": dict(environment or {}),
    }
    variant = {
        "VariantName": VARIANT,
        "ModelName": name,
        "InstanceType": instance_type,
        "InitialInstanceCount": 1,
    }
    client.create_model(
        ModelName=name, PrimaryContainer=container, ExecutionRoleArn=role
    )
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    if not instance_type.startswith("local"):
        client.get_waiter("endpoint_in_service").wait(EndpointName=name)
    return Predictor(name, session.sagemaker_runtime_client)


def read_evaluation(model_data: str, session: Any = None) -> Evaluation:
    """The evaluation that a model brings along.

    Args:
        model_data: ``model.tar.gz``, as a path, a ``file://`` or an ``s3://`` URI.
        session: of the SDK, for an address in S3.

    Raises:
        LauncherError: it isn't there, has no evaluation, or one of another version.
    """
    try:
        archive = _bytes_of(model_data, session)
    except OSError as error:
        raise LauncherError(f"{model_data} can't be read: {error}") from error
    return evaluation_in(archive, model_data)


def distances(evaluation: Evaluation) -> pd.DataFrame:
    """A row for each predictor: shares of rows by distance in classes, then errors.

    The shares are named ``0``, ``1``, ``2`` and ``more``, and sum to 1. The errors are
    ``rmse`` and ``mae``, in stars, and ``log_loss``.
    """
    rows = {}
    for name, figures in evaluation.figures.items():
        rows[name] = {
            "rows": figures.n_rows,
            **{each: figures.distance[each] for each in DISTANCES},
            "rmse": figures.rmse,
            "mae": figures.mae,
            "log_loss": figures.log_loss,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def confusion(figures: Figures) -> pd.DataFrame:
    """Counts of rows: a row for each true rating, a column for each predicted one."""
    stars = figures.class_values
    return pd.DataFrame(
        figures.confusion_matrix,
        index=pd.Index(stars, name="rating"),
        columns=pd.Index(stars, name="predicted"),
    )


class Predictor:
    """Asks an endpoint in raw ids, and gives frames back.

    Args:
        endpoint: name of the endpoint.
        client: has ``invoke_endpoint``: boto3's client of ``sagemaker-runtime``, or
            ``sagemaker_runtime_client`` of a session of the SDK.
    """

    def __init__(self, endpoint: str, client: Any) -> None:
        self.endpoint = endpoint
        self._client = client

    @classmethod
    def of(cls, predictor: Any) -> Predictor:
        """The same for the predictor that version 2's ``deploy`` returns."""
        session = predictor.sagemaker_session
        return cls(predictor.endpoint_name, session.sagemaker_runtime_client)

    def predict(self, pairs: Pairs) -> pd.DataFrame:
        """How users would rate movies.

        Returns:
            A row for each pair, in their order: the ids, ``title``, ``genres``,
            ``rating`` and ``expected_rating`` in stars, ``known_user``,
            ``known_movie``, and ``probability_S`` for each class of ``S`` stars.

        Raises:
            LauncherError: the endpoint refuses a row; the message says which and why.
        """
        rows = _records(pairs, (USER_ID, MOVIE_ID))
        return _predictions(self._ask(rows, ROWS_A_REQUEST))

    def predict_with_history(
        self,
        movie_ids: Iterable[int],
        history: History,
        timestamp: float | None = None,
    ) -> pd.DataFrame:
        """How somebody with these ratings would rate movies.

        Args:
            movie_ids: raw ids.
            history: the ratings, each movie once.
            timestamp: when the movies are rated, in seconds since 1970.

        Returns:
            As `predict`; ``userId`` is missing.
        """
        own = _records(history, (MOVIE_ID, RATING))
        about_all = _given(history=own, timestamp=timestamp)
        questions = [{MOVIE_ID: int(each), **about_all} for each in movie_ids]
        return _predictions(self._ask(questions, QUESTIONS_A_REQUEST))

    def recommend(
        self,
        user_ids: int | Iterable[int] | None = None,
        n: int = 10,
        *,
        history: History | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """The movies that users would like best, and haven't rated.

        Args:
            user_ids: one or several; None for somebody who is known by the history
                alone.
            n: how many movies for each user.
            history: ratings that take the place of those that training had.
            filters: ``genres``, ``year_from``, ``year_to``, ``min_ratings`` and
                ``timestamp``, as a request has them.

        Returns:
            Up to ``n`` rows a user, the best movie first; as `predict`, without the
            columns ``known_user`` and ``known_movie``.
        """
        about_all = _given(recommend=n, **filters)
        if history is not None:
            about_all["history"] = _records(history, (MOVIE_ID, RATING))
        if user_ids is None:
            questions = [about_all]
        else:
            users = [user_ids] if isinstance(user_ids, int) else user_ids
            questions = [{USER_ID: int(user), **about_all} for user in users]
        movies = []
        for answer in self._ask(questions, QUESTIONS_A_REQUEST):
            user = {USER_ID: answer[USER_ID]}
            movies += [user | movie for movie in answer["recommendations"]]
        return _predictions(movies)

    def onboarding(
        self,
        n: int = 10,
        *,
        history: History | None = None,
        user_id: int | None = None,
        **filters: Any,
    ) -> pd.DataFrame:
        """The movies that somebody should be asked to rate first.

        Ask for more with the ratings as the ``history``: the list goes on from there.

        Args:
            n: how many movies, up to 100.
            history: the ratings that there are.
            user_id: of a user whose ratings training had; None for somebody new.
            filters: ``genres``, ``year_from``, ``year_to`` and ``min_ratings``, as a
                request has them.

        Returns:
            Up to ``n`` rows, the movie that is worth most first: ``movieId``,
            ``title``, ``genres``, ``rated_share``, the share of users who rated it,
            and ``gain``, how much its rating is expected to tell, in squared stars.
        """
        question = _given(onboarding=n, userId=user_id, **filters)
        if history is not None:
            question["history"] = _records(history, (MOVIE_ID, RATING))
        (answer,) = self._ask([question], QUESTIONS_A_REQUEST)
        columns = (MOVIE_ID, "title", "genres", "rated_share", "gain")
        return pd.DataFrame(answer["onboarding"], columns=columns)

    def delete(self, session: Any) -> None:
        """Delete what `deploy` made: the endpoint, its configuration, its model."""
        client = session.sagemaker_client
        client.delete_endpoint(EndpointName=self.endpoint)
        client.delete_endpoint_config(EndpointConfigName=self.endpoint)
        client.delete_model(ModelName=self.endpoint)

    def _ask(self, records: Sequence[Any], most: int) -> Iterator[dict[str, Any]]:
        """The answer to each record, some records a request."""
        for batch in _batches(records, most):
            answered = self._client.invoke_endpoint(
                EndpointName=self.endpoint,
                Body=json.dumps(batch).encode(),
                ContentType=JSON,
                Accept=JSON,
            )
            answers = parse_json(answered["Body"].read().decode())
            # Local mode hands over a refusal as if it were an answer.
            if isinstance(answers, dict):
                said = answers.get("error", answers)
                message = said.get("message", said)
                raise LauncherError(f"endpoint {self.endpoint}: {message}")
            yield from answers


def _predictions(answers: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame of answers, with a column for each class."""
    rows = []
    for answer in answers:
        row = {name: value for name, value in answer.items() if name != "probabilities"}
        for stars, probability in answer["probabilities"].items():
            row[f"{PROBABILITY}{stars}"] = probability
        rows.append(row)
    return pd.DataFrame(rows)


def _records(
    given: pd.DataFrame | Iterable[tuple[Any, ...]], names: tuple[str, str]
) -> list[dict[str, Any]]:
    """JSON objects of a frame or of pairs; missing times are left out.

    Raises:
        LauncherError: a column is missing.
    """
    if not isinstance(given, pd.DataFrame):
        return [dict(zip(names, map(_plain, pair), strict=True)) for pair in given]
    missing = [name for name in names if name not in given]
    if missing:
        raise LauncherError(
            f"the frame has no column {missing[0]}, expected {', '.join(names)} "
            f"and perhaps {TIMESTAMP}"
        )
    columns = [*names, *({TIMESTAMP} & set(given.columns))]
    records = []
    for values in given[columns].itertuples(index=False, name=None):
        row = dict(zip(columns, map(_plain, values), strict=True))
        if pd.isna(row.get(TIMESTAMP)):
            row.pop(TIMESTAMP, None)
        records.append(row)
    return records


def _plain(value: Any) -> Any:
    """A number of NumPy as one of Python, which JSON knows."""
    return value.item() if hasattr(value, "item") else value


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that aren't None."""
    return {name: value for name, value in fields.items() if value is not None}


def _batches(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for start in itertools.count(0, most):
        batch = items[start : start + most]
        if not batch:
            return
        yield batch


def _as_text(hyperparameters: Mapping[str, object]) -> dict[str, str]:
    """The values as SageMaker takes them, once the job's rules have been checked."""
    texts = {}
    for name, value in hyperparameters.items():
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    check_hyperparameters(texts)
    return texts


def _bytes_of(address: str, session: Any) -> bytes:
    """The bytes of a file here or in S3."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        uri = S3Uri.parse(address)
        client = session.boto_session.client("s3")
        body = client.get_object(Bucket=uri.bucket, Key=uri.key)["Body"]
        return bytes(body.read())
    path = unquote(parts.path) if parts.scheme == "file" else address
    return Path(path).read_bytes()


def _version() -> int:
    """The major version of ``sagemaker``.

    Raises:
        ConfigError: it isn't installed.
    """
    from importlib.metadata import PackageNotFoundError, version

    try:
        return int(version("sagemaker").partition(".")[0])
    except PackageNotFoundError:
        raise ConfigError(
            "AWS's package sagemaker isn't installed: pip install 'halfstar[sdk]'"
        ) from None


def _need_version(needed: int, otherwise: str) -> None:
    if _version() != needed:
        raise ConfigError(
            f"this needs version {needed} of sagemaker, and version {_version()} is "
            f"installed: use launcher.sdk.{otherwise}, or another environment"
        )
