# The prediction API in its own environment, one model, and beside it the environment that trained that model,
# made by `mlpipes build` for models that have one. PYTHON_IMAGE is the API's, MODEL_PYTHON the model's version.
ARG PYTHON_3_11=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
ARG PYTHON_3_12=python:3.12-slim-bookworm@sha256:0f5b26b9518d002b6173fd61daad821fa340635ebfec5bba471013f9ca114579
ARG PYTHON_3_13=python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8
ARG PYTHON_IMAGE=${PYTHON_3_11}
FROM ${PYTHON_IMAGE}
# from here as in Dockerfile, to the letter: the layer is there already where the stack has an API
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
COPY compose/common.lock /opt/mlpipes/
# without the packages' own tests; (compileall complains about templates of code that some carry: no harm)
RUN pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --progress-bar off --require-hashes --no-deps -r /opt/mlpipes/common.lock \
 && site="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && find "$site/numpy" "$site/pandas" -type d -name tests -prune -exec rm -rf {} + \
 && echo "compiling" && { python -m compileall -qq -j 0 "$site" || true; }
COPY compose/api/requirements.lock /opt/mlpipes/
# without headers, and without Arrow's protocol between servers (Flight), which nothing here speaks
RUN pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --progress-bar off --require-hashes --no-deps -r /opt/mlpipes/requirements.lock \
 && site="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && find "$site/pyarrow" "$site/scipy" "$site/sklearn" -type d -name tests -prune -exec rm -rf {} + \
 && rm -rf "$site"/pyarrow/include "$site"/pyarrow/src "$site"/pyarrow/*flight* \
 && python -c "import pyarrow.dataset, pyarrow.parquet, sklearn.ensemble, mlflow.pyfunc" \
 && echo "compiling" && { python -m compileall -qq -j 0 "$site" || true; }
# the lock is all that the model's environment had, with hashes, so nothing is resolved again; its Python is the image's
# own where that is of the same version, else uv fetches it
ARG MODEL_PYTHON
COPY requirements/environment.lock /opt/mlpipes/requirements/
RUN set -e; there=/opt/mlpipes/environment; export UV_PYTHON_INSTALL_DIR=/opt/mlpipes/pythons; \
    uv venv --quiet --no-cache --no-project --python-preference only-system --python "${MODEL_PYTHON}" "$there" \
      2>/dev/null \
      || uv venv --quiet --no-cache --no-project --python "${MODEL_PYTHON}" "$there"; \
    pip --python "$there/bin/python" install --no-cache-dir --no-compile --disable-pip-version-check \
      --root-user-action=ignore --progress-bar off --require-hashes --no-deps -r /opt/mlpipes/requirements/environment.lock; \
    site="$("$there/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    for name in numpy pandas pyarrow scipy sklearn matplotlib; do \
      if [ -d "$site/$name" ]; then find "$site/$name" -type d -name tests -prune -exec rm -rf {} +; fi; done; \
    "$there/bin/python" -m compileall -qq -j 0 "$site" || true
RUN useradd --no-create-home --uid 10004 api && install -d -m 1777 /var/lib/mlpipes
COPY mlpipes_cli /opt/mlpipes/lib/mlpipes_cli
RUN python -m compileall -qq -j 0 /opt/mlpipes/lib
COPY model /opt/mlpipes/model
COPY settings.json sbom.cdx.json /opt/mlpipes/
USER api
WORKDIR /tmp
ENV HOME=/tmp PYTHONPATH=/opt/mlpipes/lib MLPIPES_STATE=/var/lib/mlpipes PORT=8000 \
    MLPIPES_MODEL_PYTHON=/opt/mlpipes/environment/bin/python
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --retries=4 --start-period=120s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health' % os.environ['PORT'], timeout=4)"]
CMD ["python", "-m", "mlpipes_cli.lifecycle.serving.image_entry"]
