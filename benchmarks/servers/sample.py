"""The container of the AWS samples (`scikit_bring_your_own`): nginx, gunicorn, Flask,
pandas; with a DMatrix.

Its `predictor.py` reads CSV without a header into a frame and writes the predictions as
a frame.
"""

from __future__ import annotations

import io

import flask
import numpy as np
import pandas as pd
import xgboost

from benchmarks.servers.task import load, queries_of

model = load()
app = flask.Flask(__name__)


@app.route("/ping", methods=["GET"])
def ping() -> flask.Response:
    """Healthy if the model is loaded, which it is by now."""
    return flask.Response(response="\n", status=200, mimetype="application/json")


@app.route("/invocations", methods=["POST"])
def transformation() -> flask.Response:
    """Ratings for CSV rows of raw ids."""
    if flask.request.content_type != "text/csv":
        return flask.Response(
            response="This predictor only supports CSV data",
            status=415,
            mimetype="text/plain",
        )
    data = pd.read_csv(io.StringIO(flask.request.data.decode("utf-8")), header=None)
    features = model.spec.transform(queries_of(data[0], data[1], data[2]))
    matrix = xgboost.DMatrix(features.values, feature_names=list(features.names))
    classes = np.argmax(model.booster.predict(matrix), axis=1)  # type: ignore[attr-defined]
    out = io.StringIO()
    pd.DataFrame({"results": np.array(model.class_values)[classes]}).to_csv(
        out, header=False, index=False
    )
    return flask.Response(response=out.getvalue(), status=200, mimetype="text/csv")
