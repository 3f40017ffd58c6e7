"""``mlpipes export kubernetes``: manifests, a base for Kustomize and overlays for staging and production."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.export.kubernetes import description, pipeline, values
from mlpipes_cli.lifecycle.export.kubernetes.output_folder import OutputFolder, WrittenFolder
from mlpipes_cli.lifecycle.export.kubernetes.templates import plain
from mlpipes_cli.lifecycle.export.kubernetes.values import ClusterSettings, PlainValues

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

COMMAND = "export kubernetes"
_KUSTOMIZATION = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_STAGING_REPLICAS = {"min": 1, "max": 2}


def export(
    project: ProjectFolder, output: Path, *, image: str | None = None, force: bool = False
) -> WrittenFolder:
    """Write the manifests of a project.

    Args:
        project: The project.
        output: A folder; files that this command wrote are replaced, and overlays are kept.
        image: The API's image in place of that in mlpipes.yaml.
        force: Replace any regular file, overlays too.

    Raises:
        UsageError: A file is not of this command, the image is not known, or pipeline.yaml is wrong.
        MlpipesError: A file cannot be written.
    """
    settings = values.of_project(project, image)
    plain_values = PlainValues(settings.name, settings.values)
    found = description.resources(settings, plain_values, pipeline.tasks(project, settings.name))
    present = [one for one in found if not one.condition or plain_values.get(one.condition)]
    folder = OutputFolder(output, COMMAND, force)
    for one in present:
        folder.add(f"base/{one.file}.yaml", plain(one.body))
    files = [f"{one.file}.yaml" for one in present]
    folder.add("base/kustomization.yaml", plain({**_KUSTOMIZATION, "resources": files}))
    folder.add("secret.example.yaml", description.secret_example(settings))
    for name, namespace in zip(("staging", "production"), settings.namespaces, strict=True):
        folder.start(f"overlays/{name}/namespace.yaml", plain(_namespace(namespace)))
        folder.start(f"overlays/{name}/kustomization.yaml", plain(_overlay(settings, name, namespace)))
    if settings.has_jobs:
        for path, text in description.jobs_dockerfile(output.name).items():
            folder.add(path, text)
    return folder.write(description.left_out(settings, project))


def _namespace(name: str) -> dict[str, Any]:
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced}}


def _overlay(settings: ClusterSettings, name: str, namespace: str) -> dict[str, Any]:
    images = [settings.image, *([settings.values["jobs"]["image"]] if settings.has_jobs else [])]
    tree: dict[str, Any] = {
        **_KUSTOMIZATION,
        "namespace": namespace,
        "resources": ["namespace.yaml", "../../base"],
        "images": [description.image_parts(one) for one in images],
    }
    if name == "staging":
        changes = [
            {"op": "replace", "path": f"/spec/{bound}Replicas", "value": number}
            for bound, number in _STAGING_REPLICAS.items()
        ]
        tree["patches"] = [{"target": {"kind": "HorizontalPodAutoscaler"}, "patch": plain(changes)}]
    return tree
