"""Resources as YAML text: plain, or as templates of a chart."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mlpipes_cli.lifecycle.export.kubernetes.resource import Resource

_VALUE = re.compile(r"__VALUE_([A-Za-z.]+)__")
_RELEASE = "{{ .Release.Name }}"


class TemplateValues:
    """Values as expressions of a template. Implements :class:`values.Values`.

    A value is a word of its own in the YAML, which :func:`template` replaces by an expression that writes
    the value as JSON, which is YAML of any type.
    """

    name = _RELEASE

    def get(self, path: str) -> Any:
        return f"__VALUE_{path}__"

    def quoted(self, path: str) -> str:
        return f'{{{{ range .Values.{path} }}}}, "{{{{ . }}}}"{{{{ end }}}}'


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and a part that occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = "|" if "\n" in data else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)


def plain(tree: Any) -> str:
    """Return a tree as YAML."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def template(one: Resource) -> str:
    """Return the template of a resource that was described with :class:`TemplateValues`."""
    body = one.body
    if one.before_release:
        hook = {
            "helm.sh/hook": "pre-install,pre-upgrade",
            "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
        }
        body = {**body, "metadata": {**body["metadata"], "annotations": hook}}
    text = _VALUE.sub(r"{{ toJson .Values.\1 }}", plain(body))
    if one.condition:
        return f"{{{{- if .Values.{one.condition} }}}}\n{text}{{{{- end }}}}\n"
    return text
