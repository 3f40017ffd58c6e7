# The prediction API with one model and that model's own requirements inside, made by `mlpipes build`.
# PYTHON is the version that trained the model; what `requirements` holds is put together by mlpipes.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
COPY requirements /opt/mlpipes/requirements
# without the packages' own tests, and without the pages of MLflow's own server; (compileall complains
# about templates of code that some packages carry: no harm)
RUN cd /opt/mlpipes/requirements \
 && pip install --no-cache-dir --no-compile --disable-pip-version-check --root-user-action=ignore \
      --progress-bar off -r requirements.txt -r serving.txt -c locked.txt \
 && site="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && for name in numpy pandas pyarrow scipy sklearn matplotlib; do \
      if [ -d "$site/$name" ]; then find "$site/$name" -type d -name tests -prune -exec rm -rf {} +; fi; done \
 && rm -rf "$site/mlflow/server/js" \
 && { python -m compileall -qq -j 0 "$site" || true; }
RUN useradd --no-create-home --uid 10004 api && install -d -m 1777 /var/lib/mlpipes
COPY mlpipes_cli /opt/mlpipes/lib/mlpipes_cli
RUN python -m compileall -qq -j 0 /opt/mlpipes/lib
COPY model /opt/mlpipes/model
COPY settings.json /opt/mlpipes/
USER api
WORKDIR /tmp
ENV HOME=/tmp PYTHONPATH=/opt/mlpipes/lib MLPIPES_STATE=/var/lib/mlpipes PORT=8000
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --retries=4 --start-period=60s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health' % os.environ['PORT'], timeout=4)"]
CMD ["python", "-m", "mlpipes_cli.lifecycle.serving.image_entry"]
