"""The reference of the REST API, from the OpenAPI document of a running API over a small model."""

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Any

HEAD = """\
# REST

This page is made from the API's own OpenAPI document, which a running API has at `/openapi.json` and shows at
`/docs`. There, the bodies name the columns of the served model; here they are those of a small example with
the columns `amount` and `city`. [Protocols](../../how-to/serving/protocols.md) explains the forms and the
limits of requests.

| route | does |
| --- | --- |
{routes}

"""


def page() -> str:
    """The page, as Markdown."""
    document = asyncio.run(_document())
    found = [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "put", "delete"}
    ]
    rows = [f"| `{method} {path}` | {_about(operation)} |" for method, path, operation in found]
    parts = [HEAD.format(routes="\n".join(rows))]
    for method, path, operation in found:
        parts += _section(method, path, operation)
    parts += ["## Documents", ""]
    for name, model in sorted(document["components"]["schemas"].items()):
        parts += _model(name, model)
    return "\n".join(parts)


async def _document() -> dict[str, Any]:
    """The OpenAPI document, asked of the application as a client would."""
    import httpx

    with tempfile.TemporaryDirectory() as folder:
        app = await asyncio.to_thread(_application, Path(folder) / "model")
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.get("/openapi.json")
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
            return document


def _application(folder: Path) -> Any:
    """The API over a model of two columns; its stores are never asked."""
    import mlflow.sklearn
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    from mlpipes_cli.server.http.app import create_app
    from mlpipes_cli.server.models.loader import load
    from mlpipes_cli.server.models.served_models import ServedModels
    from mlpipes_cli.server.settings import ServerSettings
    from mlpipes_cli.server.stores import Stores

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    rows = pd.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0], "city": ["Rome", "Oslo"] * 2})
    encode = make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough")
    model = make_pipeline(encode, LogisticRegression()).fit(rows, [0, 1, 0, 1])
    noted = {"task": "binary", "classes": [0, 1], "positive": 1, "features": list(rows), "target": "late"}
    mlflow.sklearn.save_model(
        model,
        str(folder),
        signature=infer_signature(rows, model.predict(rows)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        metadata={"mlpipes": noted},
    )
    never: Any = None
    settings = ServerSettings("deliveries", "production", 1, str(folder), api_keys="off")
    served = ServedModels(load(folder, "deliveries", 1, "production"))
    return create_app(settings, Stores(never, never, never, never, never), served)


def _about(operation: dict[str, Any]) -> str:
    text = str(operation.get("description") or operation.get("summary") or "")
    return _cell(text.split("\n\n")[0])


def _section(method: str, path: str, operation: dict[str, Any]) -> list[str]:
    lines = [
        f"## `{method} {path}`",
        "",
        _cell(str(operation.get("description") or "")) or _about(operation),
        "",
    ]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | value | |", "| --- | --- | --- | --- |"]
        for one in parameters:
            kind, about = _type(one.get("schema", {})), _cell(one.get("description", ""))
            lines.append(f"| `{one['name']}` | {one['in']} | {kind} | {about} |")
        lines.append("")
    if body := operation.get("requestBody"):
        kinds = ", ".join(f"`{kind}`" for kind in body["content"])
        lines += [f"Body: {kinds}. {_cell(body.get('description', ''))}".rstrip(), ""]
    lines += ["| status | means | document |", "| --- | --- | --- |"]
    for status, answer in sorted(operation["responses"].items()):
        kinds = [_type(content.get("schema", {})) for content in answer.get("content", {}).values()]
        told = " or ".join(dict.fromkeys(kind for kind in kinds if kind))
        lines.append(f"| {status} | {_cell(answer.get('description', ''))} | {told} |")
    return [*lines, ""]


def _model(name: str, model: dict[str, Any]) -> list[str]:
    lines = [f"### {name}", "", _cell(model.get("description", "")), ""]
    if properties := model.get("properties"):
        lines += ["| field | value | |", "| --- | --- | --- |"]
        lines += [
            f"| `{key}` | {_type(value)} | {_cell(value.get('description', ''))} |"
            for key, value in properties.items()
        ]
        lines.append("")
    return lines


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if several := value.get("anyOf") or value.get("oneOf"):
        return " or ".join(dict.fromkeys(_type(one) for one in several))
    if value.get("type") == "array":
        inner = _type(value.get("items", {}))
        return f"list of {inner}" if inner != "any" else "list"
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    kinds = {"string": "text", "object": "keys", "integer": "whole number", "boolean": "true or false"}
    kind = str(value.get("type", "any"))
    return kinds.get(kind, kind)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|").replace("<", "&lt;")
