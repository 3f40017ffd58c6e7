"""Downloads files by http and https into a private temporary folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlpipes_cli.config.yaml_source import Location, YamlSource
from mlpipes_cli.data.problems import wrong
from mlpipes_cli.data.readers import opening, resolve
from mlpipes_cli.errors import MlpipesError

MOST = 20 << 30  # bytes
_SECONDS = {"connect": 10.0, "read": 60.0, "write": 60.0, "pool": 10.0}
_REDIRECTS = 5
_KINDS = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}


def shown(url: str) -> str:
    """Return an address without its user, password and query, which may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def download(url: str, folder: Path, source: YamlSource, at: Location, most: int = MOST) -> Path:
    """Stream an address to a file of the folder, named after its last part.

    Args:
        url: The address.
        folder: A private one.
        source: The ``dataset.yaml``.
        at: Where it names the address.
        most: The most bytes.

    Raises:
        ConfigError: The server has no such file, or it is of an unknown kind or too large.
        MlpipesError: The server does not answer, or breaks off.
    """
    import httpx

    name = shown(url)
    try:
        with (
            httpx.Client(
                timeout=httpx.Timeout(**_SECONDS), follow_redirects=True, max_redirects=_REDIRECTS
            ) as client,
            client.stream("GET", url, headers={"accept-encoding": "identity"}) as answer,
        ):
            if answer.status_code != 200:
                raise wrong(
                    source, at, f"{name}: the server answered {answer.status_code} {answer.reason_phrase}"
                )
            kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind == "text/html":
                raise wrong(source, at, f"{name}: the server answered with a web page, such as one to log in")
            told = int(answer.headers.get("content-length") or 0)
            if told > most:
                raise wrong(source, at, f"{name}: has {told >> 20} MB; the limit is {most >> 20} MB")
            path = folder / _name(url, answer.headers.get("content-type", ""), source, at)
            size = 0
            with path.open("wb") as file:
                packed = "content-encoding" in answer.headers and not opening.compression(path.name)
                for block in (answer.iter_bytes if packed else answer.iter_raw)(1 << 20):
                    size += len(block)
                    if size > most:
                        raise wrong(source, at, f"{name}: has more than {most >> 20} MB, which is the limit")
                    file.write(block)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        reason = source.problem(at, f"{name}: cannot be downloaded ({said})")
        raise MlpipesError(reason, "check the address and the network") from None
    except OSError as error:
        raise MlpipesError(source.problem(at, f"{name}: {error.strerror}"), "free some space") from None
    return path


def _name(url: str, content: str, source: YamlSource, at: Location) -> str:
    last = unquote(urlsplit(url).path).rsplit("/", 1)[-1].replace("\0", "")[-100:]
    if opening.kind(last) in resolve.KINDS:
        return last
    kind = _KINDS.get(content.split(";")[0].strip().lower())
    if kind is None:
        raise wrong(
            source,
            at,
            f"{shown(url)}: unknown kind of file ({content or 'no type'}); use {', '.join(resolve.KINDS)}",
        )
    return f"downloaded{kind}"
