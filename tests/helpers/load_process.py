"""A client in a process of its own: asks without a pause and writes down each answer as it comes.

Usage: ``python load_process.py URL RECORDS.json OUT.jsonl NUMBER``; ends when its standard input does.
Record ``n`` of the file is sent with the identifier ``NUMBER-count-n``. A line of the output is
``[status, seconds, body, retry_after]``; status 0 means that nobody answered.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


def ask(
    link: http.client.HTTPConnection, batch: list[dict[str, object]]
) -> tuple[int, dict[str, object] | None, str | None]:
    body = json.dumps(batch)
    link.request("POST", "/predict", body, {"Content-Type": "application/json"})
    answer = link.getresponse()
    return answer.status, json.loads(answer.read()), answer.headers.get("Retry-After")


def main(url: str, records: str, out: str, number: str) -> None:
    rows = json.loads(Path(records).read_text())
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    parts, link, count = urlsplit(url), None, 0
    assert parts.hostname is not None
    with Path(out).open("w") as told:
        while not over.is_set():
            count += 1
            few = [(count * 7 + step) % len(rows) for step in range(1 + count % 3)]
            batch = [{**rows[n], "ID": f"{number}-{count}-{n}"} for n in few]
            began = time.monotonic()
            status, said, retry = 0, None, None
            try:
                link = link or http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
                status, said, retry = ask(link, batch)
            except (OSError, http.client.HTTPException):
                if link is not None:
                    link.close()
                link = None
            told.write(json.dumps([status, time.monotonic() - began, said, retry]) + "\n")
            told.flush()
            if status != 200:
                over.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
