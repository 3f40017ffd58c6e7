"""``mlpipes export helm``: a chart, whose templates are made of the same resources as the manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpipes_cli.lifecycle.export.kubernetes import description, pipeline, values
from mlpipes_cli.lifecycle.export.kubernetes.output_folder import OutputFolder, WrittenFolder
from mlpipes_cli.lifecycle.export.kubernetes.templates import TemplateValues, plain, template

if TYPE_CHECKING:
    from mlpipes_cli.project import ProjectFolder

COMMAND = "export helm"
_TELLS = {
    "image": "The API's image, of `mlpipes build`, with a tag or a digest.",
    "secret": "The Secret with the passwords, which has to exist; secret.example.yaml names its keys.",
    "replicas": "Copies of the API; more of them above this percentage of the requested CPU.",
    "resources": "What one copy of the API gets.",
    "allowedHosts": "Names by which the API is asked from outside, such as api.example.com.",
    "databasePort": "The port that the API may reach.",
    "clients": "Further namespaces whose pods may ask the API.",
    "serviceMonitor": "Whether the Prometheus Operator scrapes the API.",
    "pullSecrets": "Secrets with the log-in of a private registry.",
    "jobs": "Jobs that call mlpipes: their image, what one gets, when it is asked whether a check is due,\n"
    "# and mlpipes.yaml as they read it.",
}
_NOTES = """\
{{{{- /* {mark}; the next export replaces it. */ -}}}}
The API answers in this namespace at http://{{{{ .Release.Name }}}}-api
"""


def export(
    project: ProjectFolder, output: Path, *, image: str | None = None, force: bool = False
) -> WrittenFolder:
    """Write the chart of a project.

    Args:
        project: The project.
        output: A folder; files that this command wrote are replaced, and the values of staging and
            production are kept.
        image: The API's image in place of that in mlpipes.yaml.
        force: Replace any regular file.

    Raises:
        UsageError: A file is not of this command, the image is not known, or pipeline.yaml is wrong.
        MlpipesError: A file cannot be written.
    """
    settings = values.of_project(project, image)
    folder = OutputFolder(output, COMMAND, force)
    for one in description.resources(settings, TemplateValues(), pipeline.tasks(project, settings.name)):
        folder.add(f"templates/{one.file}.yaml", template(one))
    folder.add("templates/NOTES.txt", _NOTES.format(mark=folder.mark))
    folder.add("Chart.yaml", plain(description.summary(settings)))
    folder.add("values.yaml", _values(settings.values))
    schema = {"$comment": folder.mark, **values.schema(settings.values)}
    folder.add("values.schema.json", json.dumps(schema, indent=2) + "\n")
    folder.add("secret.example.yaml", description.secret_example(settings))
    folder.add(".helmignore", "secret*.yaml\njobs.Dockerfile*\nvalues-*.yaml\n")
    folder.start("values-staging.yaml", plain({"image": settings.image, "replicas": {"min": 1, "max": 2}}))
    folder.start("values-production.yaml", plain({"image": settings.image}))
    if settings.has_jobs:
        for path, text in description.jobs_dockerfile(output.name).items():
            folder.add(path, text)
    return folder.write(description.left_out(settings, project))


def _values(tree: dict[str, Any]) -> str:
    return "\n".join(f"# {_TELLS[key]}\n{plain({key: value})}" for key, value in tree.items())
