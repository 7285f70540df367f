# The image in three stages: the locked dependencies, our own package, and a final stage that copies both and nothing else.
# Plain Dockerfile syntax only, so that any builder builds it.

ARG BASE_IMAGE=python:3.13-slim
# The stages that download and compile may have a base of their own, for example one that trusts a company's CA.
# It must have the same python3 at the same path as BASE_IMAGE. Nothing of it gets into the final image.
ARG BUILDER_IMAGE=${BASE_IMAGE}


FROM ${BUILDER_IMAGE} AS dependencies
LABEL org.halfstar=1
ENV DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# sagemaker-training is a source package with a C extension. The public python images have Python's headers, Debian's don't.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && { test -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" \
        || apt-get install --yes --no-install-recommends python3-dev; } \
    && rm -rf /var/lib/apt/lists/*

# pip and the build backend are in an environment of their own, so the one that is shipped never has them.
COPY container/requirements-build.txt /build/
RUN python3 -m venv /build/tools \
    && /build/tools/bin/pip install --require-hashes --no-deps --requirement /build/requirements-build.txt \
    && python3 -m venv --without-pip /opt/halfstar

COPY container/requirements.txt /build/
RUN /build/tools/bin/pip wheel --require-hashes --no-deps --no-build-isolation \
        --requirement /build/requirements.txt --wheel-dir /build/wheels \
    && /build/tools/bin/pip --python /opt/halfstar/bin/python3 install --no-deps --no-index --no-compile /build/wheels/*.whl \
    && rm -rf /build/wheels

# The libraries' own tests, pyarrow's headers and its Flight module are removed: nothing of ours imports them.
RUN cd /opt/halfstar/lib/python3*/site-packages \
    && find numpy pandas pyarrow scipy -type d -name tests -prune -exec rm -rf {} + \
    && rm -rf pyarrow/include pyarrow/src pyarrow/*flight*

# Bytecode takes about 2 s off the imports of a training job. It isn't checked against its source, since nothing changes the
# files of an image. The imports make the build fail if something that was removed is needed after all.
RUN python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/halfstar \
    && /opt/halfstar/bin/python3 -c 'import pandas, pyarrow.csv, pyarrow.dataset, pyarrow.parquet, xgboost, sagemaker_training.entry_point'


FROM dependencies AS package
COPY pyproject.toml README.md LICENSE /build/source/
COPY src /build/source/src
# It is staged apart from the dependencies, so its layer is small, and its `train` replaces that of sagemaker-training.
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/own /build/source \
    && /build/tools/bin/pip --python /opt/halfstar/bin/python3 install --no-deps --no-index --no-compile \
        --root /build/staged /build/own/*.whl \
    && cd /build/staged/opt/halfstar/lib/python3*/site-packages \
    && ls serve/_forest.*so movielens/features/_kernels.*so \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /build/staged -p / /build/staged


FROM ${BASE_IMAGE}
COPY --from=dependencies /opt/halfstar /opt/halfstar
COPY --from=package /build/staged/opt/halfstar /opt/halfstar
COPY container/entrypoint.py /opt/halfstar/entrypoint.py
ENV PATH=/opt/halfstar/bin:${PATH} PYTHONUNBUFFERED=1
EXPOSE 8080
ENTRYPOINT ["/opt/halfstar/bin/python3", "-I", "-S", "/opt/halfstar/entrypoint.py"]
CMD ["train"]

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.halfstar=1 \
    org.opencontainers.image.title="Halfstar" \
    org.opencontainers.image.description="Trains an XGBoost multiclass model on raw MovieLens CSVs and serves raw-id requests, on SageMaker or anywhere." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    com.amazonaws.sagemaker.capabilities.multi-models=true \
    com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
