"""The HTTP API as OpenAPI documents, one for each application of the server.

Paths, fields and bounds come from the code of the server, and so do statuses and media
types. ``tests/http`` sends requests that these documents describe to a running server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from movielens.columns import (
    GENRES,
    GENRES_COLUMN,
    MOVIE_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
)
from serve.errors import CODES, OVERLOADED
from serve.fields import ID_MAX, ID_MIN, TIMESTAMP_BOUND
from serve.formats.csv_format import CSV
from serve.formats.json_format import JSON
from serve.formats.registry import FORMATS
from serve.multi_model import PAGE
from serve.options import CONTRIBUTIONS, ON_UNKNOWN, VERBOSE
from serve.questions import (
    HISTORY,
    MIN_RATINGS,
    MOST_RECOMMENDED,
    MOST_TO_RATE,
    ONBOARDING,
    RECOMMEND,
    YEAR_FROM,
    YEAR_TO,
)
from serve.settings import MULTI_RECORD, SINGLE_RECORD

Json = dict[str, Any]

VERSION = "3.1.0"
JSON_TYPE = JSON.media_types[0]
CSV_TYPE = CSV.media_types[0]

# What any request may be answered with, because of its form or the server's state.
ANYWHERE = (400, 408, 414, 417, 431, 500, 501, 503, 505)
# Those that only a request with a body gets.
WITH_A_BODY = (413,)
PREDICTING = (406, 415)

REASONS = {
    400: "something in the request can't be used; the message says what and where. "
    "What isn't well-formed HTTP/1.1 also closes the connection",
    404: "no such path, or no such model",
    405: "the path doesn't take this method; the header Allow lists those it takes",
    406: "no media type in Accept can be written; the message lists those that can",
    408: "the head or the body came too slowly",
    409: "a loaded model has this name already",
    413: "the body is over the limit; refused before it is read if it declares its "
    "length",
    414: "the target is longer than 8 KiB",
    415: "the media type can't be read, or the body is compressed or isn't UTF-8",
    417: "an Expect other than 100-continue",
    431: "the head is longer than 16 KiB",
    500: "a bug; the log of the container has its trace",
    501: "a Transfer-Encoding other than chunked",
    503: "the model no longer answers as it should; or `overloaded`: too much at once, "
    "or the server is stopping (with Retry-After)",
    505: "neither HTTP/1.1 nor HTTP/1.0",
    507: "memory or another resource is too short for this model",
}

ID: Json = {"type": "integer", "minimum": ID_MIN, "maximum": ID_MAX}
USER: Json = {**ID, "description": "raw id of the user, known or unknown"}
MOVIE: Json = {**ID, "description": "raw id of the movie, known or unknown"}
TIME: Json = {
    "description": "when the movie is rated: seconds since 1970, or a date in ISO 8601",
    "anyOf": [
        {"type": "number", "minimum": 0, "exclusiveMaximum": TIMESTAMP_BOUND},
        {"type": "string", "format": "date-time"},
        {"type": "null"},
    ],
}
STARS: Json = {"type": "number", "minimum": 0.5, "maximum": 5, "multipleOf": 0.5}
TEXT: Json = {"type": "string"}
FLAG: Json = {"type": "boolean"}


def field(value: Json, meaning: str) -> Json:
    """A field of a record, with what it means."""
    return {**value, "description": meaning}


def schema(name: str) -> Json:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(
    fields: Mapping[str, Json], required: Iterable[str], description: str
) -> Json:
    """The schema of a JSON object that has no other fields than these."""
    return {
        "type": "object",
        "description": description,
        "properties": dict(fields),
        "required": list(required),
        "additionalProperties": False,
    }


def list_of(item: Json, **bounds: int) -> Json:
    """The schema of a JSON list."""
    return {"type": "array", "items": item, **bounds}


def or_null(value: Json) -> Json:
    """The schema of a value that may also be null."""
    return {"anyOf": [value, {"type": "null"}]}


YEAR: Json = or_null({"type": "integer", "minimum": 0, "maximum": 9999})

# What answers say of the user: the id of the request comes back.
ASKED: Json = field(or_null(ID), "the id that was asked about; null if there was none")
KNOWN_USER: Json = field(FLAG, "the user has ratings among the training rows")

MOVIE_FIELDS: dict[str, Json] = {
    "title": field(or_null(TEXT), "title in the catalogue; null for an unknown movie"),
    "genres": field(
        or_null(list_of(TEXT)), "genres in the catalogue; null for an unknown movie"
    ),
    "rating": field(STARS, "the class that `decision` chooses"),
    "expected_rating": field(
        {"type": "number"},
        "the mean of the distribution, or halfway between that and the regression's "
        "estimate",
    ),
    "probabilities": {
        "type": "object",
        "description": "the probability of each class, by its stars",
        "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
    },
}

FILTERS: dict[str, Json] = {
    GENRES_COLUMN: {
        **or_null(list_of({"enum": list(GENRES)})),
        "description": "only movies with at least one of these; the genres are those "
        "of the catalogue, here MovieLens's",
    },
    YEAR_FROM: {**YEAR, "description": "only movies from this year on"},
    YEAR_TO: {**YEAR, "description": "only movies up to this year"},
    MIN_RATINGS: {
        **or_null({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}),
        "description": "only movies with so many ratings in training",
    },
}

CONTRIBUTIONS_OF_ROW: Json = field(
    schema("Contributions"), "with the option `contributions`: why the rating is so"
)
OWN_RATINGS: Json = field(
    list_of(schema("OwnRating")), "the user's own ratings, each movie once"
)

SCHEMAS: dict[str, Json] = {
    "Pair": record(
        {USER_ID: USER, MOVIE_ID: MOVIE, TIMESTAMP: TIME},
        (USER_ID, MOVIE_ID),
        "asks how a user would rate a movie",
    ),
    "PairAsList": {
        "type": "array",
        "description": f"the same as [{USER_ID}, {MOVIE_ID}] or with a {TIMESTAMP}",
        "prefixItems": [USER, MOVIE, TIME],
        "items": False,
        "minItems": 2,
    },
    "OwnRating": record(
        {
            MOVIE_ID: MOVIE,
            RATING: field(STARS, "stars on the model's scale"),
            TIMESTAMP: field(TIME, "when the user rated it, in either form"),
        },
        (MOVIE_ID, RATING),
        "a rating that a user brings along",
    ),
    "PairWithHistory": record(
        {
            USER_ID: USER,
            MOVIE_ID: MOVIE,
            TIMESTAMP: TIME,
            HISTORY: OWN_RATINGS,
        },
        (MOVIE_ID, HISTORY),
        "asks for a user who sends their own ratings, each movie once",
    ),
    "Recommend": {
        **record(
            {
                USER_ID: USER,
                TIMESTAMP: TIME,
                HISTORY: OWN_RATINGS,
                RECOMMEND: {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_RECOMMENDED,
                    "description": "how many movies",
                },
                **FILTERS,
            },
            (RECOMMEND,),
            "asks for the movies that a user would like best",
        ),
        "anyOf": [{"required": [USER_ID]}, {"required": [HISTORY]}],
    },
    "Onboarding": record(
        {
            USER_ID: USER,
            TIMESTAMP: TIME,
            HISTORY: OWN_RATINGS,
            ONBOARDING: {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_TO_RATE,
                "description": "how many movies",
            },
            **FILTERS,
        },
        (ONBOARDING,),
        "asks for the movies that a user, or anybody, should be asked to rate first",
    ),
    "Row": {
        "anyOf": [
            schema("Pair"),
            schema("PairAsList"),
            schema("PairWithHistory"),
            schema("Recommend"),
            schema("Onboarding"),
        ]
    },
    "Parameters": record(
        {
            VERBOSE: field(FLAG, "answers in CSV have all columns"),
            CONTRIBUTIONS: field(
                {"type": "integer", "minimum": 0, "maximum": 100},
                "name so many features that moved the expected rating most",
            ),
            ON_UNKNOWN: field(
                {"enum": ["predict", "error"]},
                "`error` refuses unknown users and movies with 400",
            ),
        },
        (),
        "options; they replace those of the header",
    ),
    "Instances": record(
        {
            "instances": field(
                list_of(schema("Row")),
                "Pair (also as a list), PairWithHistory, Recommend or Onboarding",
            ),
            "parameters": field(schema("Parameters"), "options of the request"),
            "signature_name": {"description": "ignored"},
        },
        ("instances",),
        "rows and options",
    ),
    "Body": {
        "anyOf": [
            schema("Pair"),
            schema("PairWithHistory"),
            schema("Recommend"),
            schema("Onboarding"),
            list_of(schema("Row")),
            schema("Instances"),
        ]
    },
    "Prediction": record(
        {
            USER_ID: ASKED,
            MOVIE_ID: MOVIE,
            **MOVIE_FIELDS,
            "known_user": KNOWN_USER,
            "known_movie": field(
                FLAG, "the catalogue of the training job lists the movie"
            ),
            "contributions": CONTRIBUTIONS_OF_ROW,
        },
        (USER_ID, MOVIE_ID, *MOVIE_FIELDS, "known_user", "known_movie"),
        "how the user would rate the movie",
    ),
    "Contributions": record(
        {
            "base_rating": field(
                {"type": "number"}, "where the rating starts, in stars"
            ),
            "features": field(
                list_of(schema("Contribution")), "the strongest features"
            ),
            "others": field(
                {"type": "number"}, "what all other features add together, in stars"
            ),
        },
        ("base_rating", "features", "others"),
        "SHAP values, which add up to the expected rating",
    ),
    "Contribution": record(
        {
            "name": field(TEXT, "name of the feature"),
            "value": field(
                or_null({"type": "number"}), "its value; null where it is missing"
            ),
            "stars": field({"type": "number"}, "what it adds to the rating"),
        },
        ("name", "value", "stars"),
        "a feature that moved the rating",
    ),
    "RecommendedMovie": record(
        {MOVIE_ID: MOVIE, **MOVIE_FIELDS, "contributions": CONTRIBUTIONS_OF_ROW},
        (MOVIE_ID, *MOVIE_FIELDS),
        "a movie that the user would like",
    ),
    "Recommendations": record(
        {
            USER_ID: ASKED,
            "known_user": KNOWN_USER,
            "recommendations": field(
                list_of(schema("RecommendedMovie")), "fewer if no more are left"
            ),
        },
        (USER_ID, "known_user", "recommendations"),
        "the best movies first",
    ),
    "MovieToRate": record(
        {
            MOVIE_ID: MOVIE,
            **{name: MOVIE_FIELDS[name] for name in ("title", "genres")},
            "rated_share": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "the share of training's users who rated the movie",
            },
            "gain": {
                "type": "number",
                "minimum": 0,
                "description": "what a rating of it is expected to take from the mean "
                "variance of the user's opinions, in squared stars",
            },
        },
        (MOVIE_ID, "title", "genres", "rated_share", "gain"),
        "a movie whose rating would tell much of the user",
    ),
    "MoviesToRate": record(
        {
            USER_ID: ASKED,
            "known_user": KNOWN_USER,
            ONBOARDING: field(
                list_of(schema("MovieToRate")), "fewer if no more are left"
            ),
        },
        (USER_ID, "known_user", ONBOARDING),
        "the movies to ask about first",
    ),
    "Error": record(
        {"error": field(schema("Reason"), "the reason")},
        ("error",),
        "a request that was refused, or a bad row of a batch",
    ),
    "Reason": record(
        {
            "code": field(
                {"enum": sorted({*CODES.values(), OVERLOADED})},
                "for programs: the kind of error",
            ),
            "message": field(TEXT, "for people: what was wrong, and where"),
        },
        ("code", "message"),
        "why a request was refused",
    ),
    # In batch transform an error stands in the place of a bad row.
    "Answer": {
        "anyOf": [
            schema("Prediction"),
            schema("Recommendations"),
            schema("MoviesToRate"),
            schema("Error"),
        ]
    },
    "Answers": {
        "anyOf": [
            schema("Answer"),
            list_of(schema("Answer")),
            record(
                {"predictions": list_of(schema("Answer"))},
                ("predictions",),
                "the answers to `instances`",
            ),
        ]
    },
    "ExecutionParameters": record(
        {
            "MaxConcurrentTransforms": field(
                {"type": "integer", "minimum": 1}, "requests at once"
            ),
            "BatchStrategy": field(
                {"enum": [MULTI_RECORD, SINGLE_RECORD]}, "records of a request"
            ),
            "MaxPayloadInMB": field(
                {"type": "integer", "minimum": 1, "maximum": 100}, "longest body"
            ),
        },
        ("MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"),
        "what batch transform may send",
    ),
}

MODEL_SCHEMAS: dict[str, Json] = {
    "ModelToLoad": {
        "type": "object",
        "description": "a name, and the directory of an artifact below /opt/ml/models",
        "properties": {
            "model_name": {
                "type": "string",
                "description": "the name to ask it by",
                "pattern": r"^[0-9A-Za-z_~=+@:,\-][0-9A-Za-z_~=+@:,.\-]{0,255}$",
            },
            "url": field(TEXT, "the directory of its files"),
        },
        "required": ["model_name", "url"],
    },
    "Model": record(
        {
            "modelName": field(TEXT, "the name that it was loaded with"),
            "modelUrl": field(TEXT, "the directory of its files"),
        },
        ("modelName", "modelUrl"),
        "a loaded model, and where it came from",
    ),
    "Models": record(
        {
            "models": field(list_of(schema("Model"), maxItems=PAGE), "by name"),
            "nextPageToken": field(TEXT, "for the next page; absent on the last one"),
        },
        ("models",),
        f"up to {PAGE} models, by name",
    ),
}

ATTRIBUTES: Json = {
    "name": "X-Amzn-SageMaker-Custom-Attributes",
    "in": "header",
    "description": "options such as `verbose, contributions=3, on_unknown=error`; "
    "other names are ignored",
    "schema": {"type": "string", "pattern": "^[0-9A-Za-z_.-]*$"},
}
MODEL_NAME: Json = {
    "name": "name",
    "in": "path",
    "required": True,
    "description": "the name that the model was loaded with",
    "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
}
PAGE_TOKEN: Json = {
    "name": "next_page_token",
    "in": "query",
    "description": "the `nextPageToken` of the page before",
    "schema": {"type": "string"},
}


def content(media_type: str, body: Json) -> Json:
    """The content of a body in one media type."""
    return {media_type: {"schema": body}}


def refusals(*statuses: int) -> Json:
    """The responses of these statuses, by status."""
    responses: Json = {}
    for status in sorted(statuses):
        response: Json = {
            "description": REASONS[status],
            "content": content(JSON_TYPE, schema("Error")),
        }
        responses[str(status)] = response
    return responses


def answers_of_any_format() -> Json:
    """The content of an answer, by media type."""
    text: Json = {"type": "string"}
    contents: Json = {}
    for each in FORMATS.formats:
        body = schema("Answers") if each is JSON else text
        for media_type in each.media_types:
            contents |= content(media_type, body)
    return contents


EXAMPLES: Json = {
    "one": {"summary": "one pair", "value": {USER_ID: 1, MOVIE_ID: 318}},
    "several": {
        "summary": "several rows, with options",
        "value": {
            "instances": [{USER_ID: 1, MOVIE_ID: 318}, [1, 296, 964982703]],
            "parameters": {CONTRIBUTIONS: 3},
        },
    },
    "recommendations": {
        "summary": "ten movies",
        "value": {USER_ID: 1, RECOMMEND: 10, GENRES_COLUMN: ["Comedy"]},
    },
    "onboarding": {
        "summary": "ten movies that somebody new should be asked to rate",
        "value": {ONBOARDING: 10},
    },
    "history": {
        "summary": "a user who sends their own ratings",
        "value": {MOVIE_ID: 593, HISTORY: [{MOVIE_ID: 318, RATING: 5}]},
    },
}


def predict(summary: str, *statuses: int) -> Json:
    """The operation that answers rows."""
    body_of_json: Json = {"schema": schema("Body"), "examples": EXAMPLES}
    rows_of_csv: Json = {
        "schema": {
            "type": "string",
            "pattern": r"^[1-9][0-9]{0,8},[1-9][0-9]{0,8}(\n[1-9],[1-9])?$",
        },
        "example": "1,318\n1,296,964982703",
    }
    return {
        "summary": summary,
        "parameters": [ATTRIBUTES],
        "requestBody": {
            "required": True,
            "content": {JSON_TYPE: body_of_json, CSV_TYPE: rows_of_csv},
        },
        "responses": {
            "200": {
                "description": "an answer to each row, in their order",
                "content": answers_of_any_format(),
            },
            "204": {"description": "in batch transform: the body was empty"},
            **refusals(*ANYWHERE, *WITH_A_BODY, *PREDICTING, *statuses),
        },
    }


def look(summary: str, answer: Json, *statuses: int, **more: Any) -> Json:
    """An operation without a body."""
    return {
        "summary": summary,
        **more,
        "responses": {"200": answer, **refusals(*ANYWHERE, *statuses)},
    }


def _json_answer(description: str, name: str) -> Json:
    return {"description": description, "content": content(JSON_TYPE, schema(name))}


EMPTY: Json = {"description": "done; the body is empty"}

EXECUTION_PARAMETERS: Json = {
    "get": look(
        "What batch transform may send",
        _json_answer("the parameters", "ExecutionParameters"),
    )
}


def single_model() -> Json:
    """The API of a server of one model."""
    paths = {
        "/ping": {"get": look("Whether the model answers as it should", EMPTY)},
        "/invocations": {"post": predict("Predictions and lists of movies")},
        "/execution-parameters": EXECUTION_PARAMETERS,
    }
    return document("Halfstar", paths, SCHEMAS)


def multi_model() -> Json:
    """The API of a server that loads models by request."""
    load: Json = {
        "summary": "Load a model",
        "requestBody": {
            "required": True,
            "content": content(JSON_TYPE, schema("ModelToLoad")),
        },
        "responses": {
            "200": _json_answer("loaded", "Model"),
            **refusals(*ANYWHERE, *WITH_A_BODY, 404, 409, 507),
        },
    }
    page = _json_answer("a page of them", "Models")
    found = _json_answer("where it came from", "Model")
    named: Json = {"parameters": [MODEL_NAME]}
    paths = {
        "/ping": {"get": look("Whether the server runs", EMPTY)},
        "/models": {
            "get": look("List the models", page, parameters=[PAGE_TOKEN]),
            "post": load,
        },
        "/models/{name}": {
            **named,
            "get": look("Where a model came from", found, 404),
            "delete": look("Unload a model", EMPTY, 404),
        },
        "/models/{name}/invoke": {
            **named,
            "post": predict("Predictions and lists of movies of one model", 404, 507),
        },
        "/execution-parameters": EXECUTION_PARAMETERS,
    }
    return document("Halfstar, multi-model", paths, SCHEMAS | MODEL_SCHEMAS)


def document(title: str, paths: Json, schemas: Json) -> Json:
    """A whole document."""
    return {
        "openapi": VERSION,
        "info": {
            "title": title,
            "version": "1",
            "description": "HTTP API of the container. SageMaker's InvokeEndpoint "
            "passes body, Content-Type, Accept and CustomAttributes on to it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost:8080"}],
        "paths": paths,
        "components": {"schemas": schemas},
    }
