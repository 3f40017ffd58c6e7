"""The reference of metrics, from the catalog."""

HEAD = """\
# Metrics

The names that `metric:`, `gates:` and `--metric` take. [Metrics, intervals and the promotion
test](../../explanation/metrics.md) has the definitions, the sources, and how intervals are made.
"""
TITLES = {"binary": "Two classes", "multiclass": "Several classes", "regression": "Numbers"}


def page() -> str:
    """The page, as Markdown."""
    from mlpipes_cli import metric_catalog

    parts = [HEAD]
    for task, found in metric_catalog.BY_TASK.items():
        parts += [f"## {TITLES[task]}", "", "| name | is | better |", "| --- | --- | --- |"]
        parts += [
            f"| `{m.name}` | {m.title} | {'higher' if m.higher_is_better else 'lower'} |" for m in found
        ]
        parts.append("")
    return "\n".join(parts)
