"""RustFS: the object store of MLflow's artifacts, in place of MinIO."""

import dataclasses

from mlpipes_cli.services import minio

SERVICE = dataclasses.replace(minio.SERVICE, name="rustfs")
