# The image in stages: the locked dependencies, our own package, both on the base, and a bill of materials of that.
# Plain Dockerfile syntax only, so that any builder builds it.
#
# Two builds of a commit have the same files (`python -m container.compare`). So files have a fixed time, hashes of strings
# aren't random, and extensions are compiled without debugging information, which would name temporary folders.

ARG BASE_IMAGE=python:3.13-slim
# The stages that download and compile may have a base of their own, for example one that trusts a company's CA.
# It must have the same python3 at the same path as BASE_IMAGE. Nothing of it gets into the final image.
ARG BUILDER_IMAGE=${BASE_IMAGE}
# With GPU=1 XGBoost trains on NVIDIA's GPUs too (CUDA 12, so the driver must be 525 or newer).
ARG GPU=


FROM ${BUILDER_IMAGE} AS dependencies
LABEL org.halfstar=1
ENV DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# 1 January 1980 is the earliest time that a wheel can hold. The commit's time would make each commit build this stage again.
# CPPFLAGS are added to the flags of Python's own build. CFLAGS would replace them, and with them -DNDEBUG and -fwrapv.
ENV SOURCE_DATE_EPOCH=315532800 PYTHONHASHSEED=0 CPPFLAGS=-g0

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

# The wheels' hashes are checked here. They are then installed by name, since pip would note the path of a file in the image.
ARG GPU
COPY container/requirements${GPU:+-gpu}.txt /build/requirements.txt
RUN /build/tools/bin/pip wheel --require-hashes --no-deps --no-build-isolation \
        --requirement /build/requirements.txt --wheel-dir /build/wheels \
    && sed -e '/--hash=/d' -e 's/ *\\$//' /build/requirements.txt > /build/names.txt \
    && /build/tools/bin/pip --python /opt/halfstar/bin/python3 install --no-deps --no-index --no-compile \
        --find-links /build/wheels --requirement /build/names.txt \
    && (cd /build/wheels && sha256sum *.whl > /build/wheels.sha256) \
    && rm -rf /build/wheels

# The libraries' own tests, pyarrow's headers and its Flight module are removed: nothing of ours imports them.
RUN cd /opt/halfstar/lib/python3*/site-packages \
    && find numpy pandas pyarrow scipy -type d -name tests -prune -exec rm -rf {} + \
    && rm -rf pyarrow/include pyarrow/src pyarrow/*flight*

# Bytecode takes about 2 s off the imports of a training job. It isn't checked against its source, since nothing changes the
# files of an image. What a process compiled before shows in the bytes, so each process gets the same files in each build,
# unlike with `compileall -j`. The imports make the build fail if something that was removed is needed after all.
RUN find /opt/halfstar -name '*.py' | LC_ALL=C sort \
        | xargs -n 200 -P "$(nproc)" python3 -m compileall -q --invalidation-mode unchecked-hash \
    && /opt/halfstar/bin/python3 -B -c \
        'import pandas, pyarrow.csv, pyarrow.dataset, pyarrow.parquet, xgboost, sagemaker_training.entry_point' \
    && find /opt/halfstar -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +


FROM dependencies AS package
COPY pyproject.toml README.md LICENSE NOTICE /build/source/
COPY src /build/source/src
COPY container/entrypoint.py container/health.py /build/staged/opt/halfstar/
ARG SOURCE_DATE_EPOCH=315532800
# It is staged apart from the dependencies, so its layer is small, and its `train` replaces that of sagemaker-training.
# Any user can read the files, even if they couldn't where they come from.
RUN /build/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/own /build/source \
    && /build/tools/bin/pip --python /opt/halfstar/bin/python3 install --no-deps --no-index --no-compile \
        --root /build/staged --find-links /build/own halfstar \
    && cd /build/staged/opt/halfstar/lib/python3*/site-packages \
    && ls serve/_forest.*so serve/operations/_recorder.*so movielens/features/_kernels.*so \
    && python3 -m compileall -q --invalidation-mode unchecked-hash -s /build/staged -p / /build/staged \
    && chmod -R u=rwX,go=rX /build/staged \
    && find /build/staged -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +


# What makes the bill of materials is in an environment of its own too.
FROM dependencies AS bill-tools
COPY container/requirements-sbom.txt /build/
RUN python3 -m venv --without-pip /build/sbom \
    && /build/tools/bin/pip --python /build/sbom/bin/python3 install --require-hashes --no-deps \
        --requirement /build/requirements-sbom.txt


# Nothing here needs a set-user-ID or set-group-ID file, and without them no process gets more rights than it started with.
FROM ${BASE_IMAGE} AS contents
COPY --from=dependencies /opt/halfstar /opt/halfstar
COPY --from=package /build/staged/opt/halfstar /opt/halfstar
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +


# The bill lists what is really there, the base's packages too.
FROM contents AS bill
COPY --from=bill-tools /build /build
COPY container/sbom.py /build/
ARG SOURCE_DATE_EPOCH=315532800
RUN mkdir /build/bill \
    && /build/sbom/bin/python3 -I /build/sbom.py --lock /build/requirements.txt --wheels /build/wheels.sha256 \
        > /build/bill/sbom.cdx.json \
    && touch --date "@${SOURCE_DATE_EPOCH}" /build/bill/sbom.cdx.json


FROM contents
COPY --from=bill /build/bill/sbom.cdx.json /opt/halfstar/sbom.cdx.json
ENV PATH=/opt/halfstar/bin:${PATH} PYTHONUNBUFFERED=1
# SageMaker runs images as root, and training must. A server of one model becomes this user (nobody) when the model is loaded.
ENV HALFSTAR_SERVE_USER=65534:65534
# By these NVIDIA's runtime knows what a container gets. Empty ones are as good as none.
ARG GPU
ENV NVIDIA_VISIBLE_DEVICES=${GPU:+all} NVIDIA_DRIVER_CAPABILITIES=${GPU:+compute,utility}
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=240s --retries=3 \
    CMD ["/opt/halfstar/bin/python3", "-I", "-S", "/opt/halfstar/health.py"]
ENTRYPOINT ["/opt/halfstar/bin/python3", "-I", "-S", "/opt/halfstar/entrypoint.py"]
CMD ["train"]

ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1980-01-01T00:00:00Z
ARG SOURCE=unknown
LABEL org.halfstar=1 \
    org.halfstar.gpu="${GPU}" \
    org.opencontainers.image.title="Halfstar" \
    org.opencontainers.image.description="Trains an XGBoost multiclass model on raw MovieLens CSVs and serves raw-id requests, on SageMaker or anywhere." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="${SOURCE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}" \
    com.amazonaws.sagemaker.capabilities.multi-models=true \
    com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
