"""The container of the AWS samples (`scikit_bring_your_own`), for an XGBoost model.

It is nginx, gunicorn, Flask and pandas. As in the sample's `predictor.py`, a CSV
without header is read into a data frame, and the predictions are written as one.
"""

from __future__ import annotations

import io

import flask
import numpy as np
import pandas as pd
import xgboost

from benchmarks.servers.task import load, queries_of

model = load()
class_values = np.array(model.class_values)
app = flask.Flask(__name__)


@app.route("/ping", methods=["GET"])
def ping() -> flask.Response:
    """Healthy: the model is loaded by now."""
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
    text = flask.request.data.decode("utf-8")
    data = pd.read_csv(io.StringIO(text), header=None)
    features = model.spec.transform(queries_of(data[0], data[1], data[2]))

    matrix = xgboost.DMatrix(features.values, feature_names=list(features.names))
    probabilities = model.booster.predict(matrix)  # type: ignore[attr-defined]
    ratings = class_values[np.argmax(probabilities, axis=1)]

    out = io.StringIO()
    pd.DataFrame({"results": ratings}).to_csv(out, header=False, index=False)
    return flask.Response(response=out.getvalue(), status=200, mimetype="text/csv")
