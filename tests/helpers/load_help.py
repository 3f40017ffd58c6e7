"""Clients that ask the prediction API without a pause and remember what they were told."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import serving_help

ROWS = serving_help.people(20, 5)
RECORDS: list[dict[str, Any]] = [
    {**record, "since": record["since"].isoformat()} for record in ROWS.fillna(1.0).to_dict("records")
]


class Clients:
    """Several threads that ask until they are told to stop, and remember what they were told."""

    def __init__(self, url: str, threads: int = 6) -> None:
        self.url = url
        self.told: list[tuple[str, str, Any]] = []
        self.statuses: set[int] = set()
        self.slowest = 0.0
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        count = 0
        with httpx.Client(base_url=self.url, timeout=60, trust_env=False) as client:
            while not self._over.is_set():
                count += 1
                rows = 1 + count % 3
                batch = [{**RECORDS[(count + i) % 20], "ID": f"{number}-{count}-{i}"} for i in range(rows)]
                began = time.monotonic()
                try:
                    answer = client.post("/predict", json=batch)
                except httpx.TransportError:
                    self._over.wait(0.05)
                    continue
                with self._lock:
                    self.statuses.add(answer.status_code)
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    if answer.status_code == 200:
                        said = answer.json()
                        self.told += zip(
                            said["prediction_ids"], said["ids"], said["predictions"], strict=True
                        )
                if answer.status_code != 200:
                    self._over.wait(0.05)

    def after(self, more: int) -> None:
        """Wait until so many further predictions were answered."""
        before = len(self.told)
        serving_help.until(lambda: len(self.told) >= before + more, 90, "further answers")

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
