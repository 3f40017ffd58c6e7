# The prediction API with one model and that model's own requirements inside, made by `mlpipes build`.
# PYTHON_IMAGE is that of the version that trained the model; requirements.lock is put together by mlpipes, and
# has all packages by hash.
ARG PYTHON_3_11=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
ARG PYTHON_3_12=python:3.12-slim-bookworm@sha256:0f5b26b9518d002b6173fd61daad821fa340635ebfec5bba471013f9ca114579
ARG PYTHON_3_13=python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8
ARG PYTHON_IMAGE=${PYTHON_3_11}
FROM ${PYTHON_IMAGE}
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
COPY requirements /opt/mlpipes/requirements
# without the packages' own tests, and without the pages of MLflow's own server; (compileall complains
# about templates of code that some packages carry: no harm)
RUN pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --progress-bar off --require-hashes --no-deps -r /opt/mlpipes/requirements/requirements.lock \
 && site="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && for name in numpy pandas pyarrow scipy sklearn matplotlib; do \
      if [ -d "$site/$name" ]; then find "$site/$name" -type d -name tests -prune -exec rm -rf {} +; fi; done \
 && rm -rf "$site/mlflow/server/js" \
 && echo "compiling" && { python -m compileall -qq -j 0 "$site" || true; }
RUN useradd --no-create-home --uid 10004 api && install -d -m 1777 /var/lib/mlpipes
COPY mlpipes_cli /opt/mlpipes/lib/mlpipes_cli
RUN python -m compileall -qq -j 0 /opt/mlpipes/lib
COPY model /opt/mlpipes/model
COPY settings.json sbom.cdx.json /opt/mlpipes/
USER api
WORKDIR /tmp
ENV HOME=/tmp PYTHONPATH=/opt/mlpipes/lib MLPIPES_STATE=/var/lib/mlpipes PORT=8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --retries=4 --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health' % os.environ['PORT'], timeout=4)"]
CMD ["python", "-m", "mlpipes_cli.lifecycle.serving.image_entry"]
