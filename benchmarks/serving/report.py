"""Medians, ratios and targets as Markdown and JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import psutil
import wrk
from envs import ROOT
from peers import PEERS
from session import CASES, OTHER_CASES, Case, Outcome
from stack import OTHER, Data, Stack

Results = dict[str, dict[str, list[Outcome]]]
OURS, MLFLOW = "mlpipes", "mlflow"
BATCHING = ("mlserver", "bentoml", "litserve")
TARGETS: tuple[tuple[str, tuple[str, ...], tuple[float | None, ...]], ...] = (
    # against whom, the best of which servers, at least that many times in each of CASES
    ("`mlflow models serve`", (MLFLOW,), (8, 50, 100, 5)),
    ("the best of MLServer, BentoML, LitServe", BATCHING, (3, 8, 15, None)),
    ("FastAPI, storing nothing", ("fastapi",), (1.2, 5, 10, None)),
    ("FastAPI, one INSERT a request", ("fastapi-insert",), (6, 40, 80, None)),
    ("the best of all peers", (MLFLOW, *BATCHING, "fastapi", "fastapi-insert"), (None, None, None, 1)),
)
COLD, MEMORY, OTHER_RATIO = 3.0, 2.0, 2.0


def busy() -> float:
    """The load average, told where other work would make the numbers scatter."""
    average = os.getloadavg()[0]
    if average > 0.5:
        print(f"other work is on this machine (load average {average:.1f}): numbers will scatter", flush=True)
    return average


def about(stack: Stack, data: Data, rounds: int, seconds: int, started: float, busy: float) -> dict[str, Any]:
    """How and on what it was measured; nothing that names the machine."""
    version = subprocess.run(["wrk", "--version"], capture_output=True, text=True).stdout.split()
    commit = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return {
        "rounds": rounds,
        "seconds": seconds,
        "data": "the generated example `credit`" if data.path is None else data.path.name,
        "busy": round(busy, 1),
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "date": time.strftime("%Y-%m-%d"),
        "commit": subprocess.run(commit, capture_output=True, text=True).stdout.strip(),
        "machine": f"{os.cpu_count()} cores ({platform.machine()}), "
        f"{psutil.virtual_memory().total / 2**30:.0f} GB, Python {platform.python_version()}, "
        f"PostgreSQL {stack.postgres_version()}, wrk {version[1] if len(version) > 1 else '?'}",
    }


def document(results: Results, missing: dict[str, str], about: dict[str, Any]) -> str:
    """Every number of every round."""
    models = {
        model: {name: [asdict(outcome) for outcome in outcomes] for name, outcomes in servers.items()}
        for model, servers in results.items()
    }
    return json.dumps({**about, "models": models, "not measured": missing}, indent=1) + "\n"


def markdown(results: Results, missing: dict[str, str], about: dict[str, Any]) -> str:
    """The page RESULTS.md."""
    lines = [
        "# Our prediction API beside other model servers",
        "",
        f"Made by `python benchmarks/serving/run.py` at commit {about['commit']} ({about['date']}) on "
        f"{about['machine']}.",
        f"Data: {about['data']}. {about['rounds']} rounds in turn, {about['seconds']} s a load; medians. "
        f"The whole run took {about['minutes']} minutes; the load average before it was {about['busy']}.",
        "What is measured, and how each server is set up: README.md. Every prediction of mlpipes and of",
        "fastapi-insert was committed to PostgreSQL before its answer; the others store nothing.",
    ]
    if missing:
        lines += ["", "Not measured:", "", *(f"- {name}: {reason}" for name, reason in missing.items())]
    for model, servers in results.items():
        if model == OTHER:
            lines += ["", "## A model that is not scikit-learn's (a PythonModel, row by row)"]
            lines += [*_loads(servers, OTHER_CASES), *_other(servers)]
        else:
            lines += ["", f"## {model}", *_loads(servers, CASES), *_ratios(servers), *_rest(servers)]
            lines += _processor(servers)
            lines += _stored(servers.get(OURS, []))
    return "\n".join(lines) + "\n"


def _loads(servers: dict[str, list[Outcome]], cases: Iterable[Case]) -> list[str]:
    cases = tuple(cases)
    heads = [f"{case.connections} conn, {case.rows} row{'s' if case.rows > 1 else ''}" for case in cases]
    lines = [
        "",
        "Requests/s (p50 / p99 in ms), all rounds' errors where there were any:",
        "",
        f"| server | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(heads)}",
    ]
    for name, outcomes in servers.items():
        for route in outcomes[0].loads:
            cells = [_cell(_of(outcomes, route, case)) for case in cases]
            lines.append(f"| {_title(name, route)} | {' | '.join(cells)} |")
    return lines


def _processor(servers: dict[str, list[Outcome]]) -> list[str]:
    heads = [f"{case.connections} conn, {case.rows} row{'s' if case.rows > 1 else ''}" for case in CASES]
    lines = [
        "",
        "Processor time of the server a request, in ms, PostgreSQL's not counted: what other work on the",
        "machine changes least.",
        "",
        f"| server | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(heads)}",
    ]
    for name, outcomes in servers.items():
        for route in outcomes[0].loads:
            found = [_of(outcomes, route, case) for case in CASES]
            cells = [f"{_median(loads, lambda x: x.processor_ms):.2f}" if loads else "-" for loads in found]
            lines.append(f"| {_title(name, route)} | {' | '.join(cells)} |")
    return lines


def _title(name: str, route: str) -> str:
    return f"{name} /{route}" if len(PEERS[name].routes) > 1 else name


def _of(outcomes: list[Outcome], route: str, case: Case) -> list[wrk.Load]:
    return [one.loads[route][case.name] for one in outcomes if case.name in one.loads.get(route, {})]


def _median(loads: list[wrk.Load], number: Callable[[wrk.Load], float]) -> float:
    return statistics.median(number(load) for load in loads)


def _cell(loads: list[wrk.Load]) -> str:
    if not loads:
        return "-"
    rate, p50, p99 = (_median(loads, get) for get in (lambda x: x.rate, lambda x: x.p50, lambda x: x.p99))
    errors = sum(load.errors for load in loads)
    if not rate:
        return f"no answer in time, {errors} errors"
    told = f"{rate:,.0f} ({_short(p50)} / {_short(p99)})"
    return f"{told} **{errors} errors**" if errors else told


def _short(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def _rest(servers: dict[str, list[Outcome]]) -> list[str]:
    lines = [
        "",
        "Cold start: from the command to the first right answer. Memory: the whole tree of processes, after",
        "the loads; PSS divides shared pages among their users.",
        "",
        "| server | cold start, s | RSS, MB | PSS, MB | PSS before the loads, MB | processes |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, outcomes in servers.items():
        after = [one.loaded for one in outcomes if one.loaded]
        before = [one.idle for one in outcomes if one.idle]
        rss, pss = (
            statistics.median(get(one) for one in after) for get in (lambda x: x.rss, lambda x: x.pss)
        )
        lines.append(
            f"| {name} | {_cold(outcomes):.2f} | {rss:.0f} | {pss:.0f} | "
            f"{statistics.median(one.pss for one in before):.0f} | {after[-1].processes} |"
        )
    return lines


def _cold(outcomes: list[Outcome]) -> float:
    return statistics.median(one.cold for one in outcomes)


def _rss(outcomes: list[Outcome]) -> float:
    return statistics.median(one.loaded.rss for one in outcomes if one.loaded)


def _ratio(servers: dict[str, list[Outcome]], peer: str, case: Case) -> float | None:
    """Ours to a peer's, on the route of ours that answers as much as the peer does."""
    theirs, ours = servers.get(peer), servers.get(OURS)
    if not theirs or not ours:
        return None
    route = PEERS[peer].routes[0]
    mine = next(one for one in PEERS[OURS].routes if one.scores == route.scores)
    a, b = _of(ours, mine.name, case), _of(theirs, route.name, case)
    if not a or not b:
        return None
    rate = _median(b, lambda load: load.rate)
    return _median(a, lambda load: load.rate) / rate if rate else None


def _ratios(servers: dict[str, list[Outcome]]) -> list[str]:
    heads = [f"{case.connections} conn, {case.rows} row{'s' if case.rows > 1 else ''}" for case in CASES]
    lines = [
        "",
        "Requests/s of ours as a multiple of theirs, beside the target. A peer that answers scores is held",
        "against our `/predict`, one that answers labels only against our `/invocations`.",
        "",
        f"| against | {' | '.join(heads)} |",
        f"| --- |{' ---: |' * len(heads)}",
    ]
    for told, peers, targets in TARGETS:
        cells = []
        for case, target in zip(CASES, targets, strict=True):
            found = [ratio for peer in peers if (ratio := _ratio(servers, peer, case)) is not None]
            cells.append(_against(min(found) if found else None, target))
        lines.append(f"| {told} | {' | '.join(cells)} |")
    if servers.get(OURS) and servers.get(MLFLOW):
        cold = _cold(servers[MLFLOW]) / _cold(servers[OURS])
        memory = _rss(servers[MLFLOW]) / _rss(servers[OURS])
        lines += [
            "",
            f"Against `mlflow models serve`: cold start {_against(cold, COLD)} faster; "
            f"memory (RSS) {_against(memory, MEMORY)} less.",
        ]
    return lines


def _against(ratio: float | None, target: float | None) -> str:
    if ratio is None:
        return "-"
    told = f"{ratio:.1f}x"
    if target is None:
        return told
    return f"{told} (target {target:g}x, {'kept' if ratio >= target else '**MISSED**'})"


def _other(servers: dict[str, list[Outcome]]) -> list[str]:
    ratio = _ratio(servers, MLFLOW, OTHER_CASES[0])
    return ["", f"Ours against `mlflow models serve`: {_against(ratio, OTHER_RATIO)}."]


def _stored(outcomes: list[Outcome]) -> list[str]:
    found = [one.stored for one in outcomes if one.stored]
    if not found:
        return []
    answered, rows, flying, ids, once = (
        sum(getattr(one, name) for one in found)
        for name in ("answered", "found", "in_flight", "identifiers", "once")
    )
    return [
        "",
        f"Stored by ours: wrk counted {answered:,} answered rows, and left at most {flying:,} unanswered",
        f"when it stopped; the table had {rows:,}. Of {ids:,} prediction ids that a client received,",
        f"{once:,} were in it exactly once: {'kept' if all(one.holds for one in found) else '**BROKEN**'}.",
    ]
