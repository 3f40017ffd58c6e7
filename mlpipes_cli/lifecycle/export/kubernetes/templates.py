"""Resources as YAML text: plain, or as templates of a chart."""

from __future__ import annotations

import re
from typing import Any

import yaml

from mlpipes_cli.lifecycle.export.kubernetes.resource import Resource

# What stands in YAML for an expression of a template: a word, or a text that YAML has to quote.
_VALUE, _QUOTED, _RELEASE = "__VALUE_{}__", "%QUOTED_{}%", "%RELEASE%"


class TemplateValues:
    """Values as expressions of a template. Implements :class:`values.Values`.

    A value is a word of its own, which :func:`template` replaces by an expression that writes the value as
    JSON, which is YAML of any type.
    """

    name = _RELEASE

    def get(self, path: str) -> Any:
        return _VALUE.format(path)

    def quoted(self, path: str) -> str:
        return _QUOTED.format(path)


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
    text = plain(body).replace("{{", '{{ "{{" }}')  # of the project's own
    text = text.replace(_RELEASE, "{{ .Release.Name }}")
    text = re.sub(_QUOTED.format(r"([A-Za-z.]+)"), r'{{ range .Values.\1 }}, "{{ . }}"{{ end }}', text)
    text = re.sub(_VALUE.format(r"([A-Za-z.]+)"), r"{{ toJson .Values.\1 }}", text)
    if one.condition:
        return f"{{{{- if .Values.{one.condition} }}}}\n{text}{{{{- end }}}}\n"
    return text
