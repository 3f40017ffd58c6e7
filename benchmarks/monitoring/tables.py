"""Counts of simulations as tables, with what chance allows."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from scipy.special import bdtrc

ALPHA = 0.05


def print_tables(state: Path) -> None:
    """Print every table that the counts of a folder allow."""
    for path in sorted(state.glob("null-*.json")):
        _null(json.loads(path.read_text()))
    for path in sorted(state.glob("power-*.json")):
        _power(json.loads(path.read_text()))


def _null(counts: dict[str, dict[str, int]]) -> None:
    for rule in dict.fromkeys(key.split("|")[0] for key in counts):
        cells = {tuple(key.split("|")[1:]): kept for key, kept in counts.items() if key.startswith(rule)}
        print(f"\n### {rule}: unchanged data\n\n| cells | checks | significant | alarms |")
        print("| --- | --- | --- | --- |")
        for place in (0, 1, 2, 3):
            groups: dict[str, list[dict[str, int]]] = defaultdict(list)
            for cell, kept in cells.items():
                groups[cell[place]].append(kept)
            for value, kepts in groups.items():
                what = ("{}", "{} columns", "reference {}", "current {}")[place].format(value)
                print(f"| {what} | {_line(kepts)} |")
        print(f"| all | {_line(list(cells.values()))} |")
        worst = sorted((_chance(kept, "significant"), cell, str(kept)) for cell, kept in cells.items())
        print("\nleast likely cells: chance of so many or more at 5 % (", len(worst), "cells )")
        for chance, cell, kept in worst[:4]:
            print(cell, kept, f"{chance:.3g}")


def _line(kepts: list[dict[str, int]]) -> str:
    total = {word: sum(kept[word] for kept in kepts) for word in ("checks", "significant", "alarm")}
    shares = [f"{100 * total[word] / max(total['checks'], 1):.1f} %" for word in ("significant", "alarm")]
    return " | ".join([f"{total['checks']:,}", *shares])


def _chance(kept: dict[str, int], word: str) -> float:
    """Return the probability of so many alarms or more if each check alarms with probability alpha."""
    return 1.0 if not kept[word] else float(bdtrc(kept[word] - 1, kept["checks"], ALPHA))


def _power(counts: dict[str, dict[str, int]]) -> None:
    rules = list(dict.fromkeys(key.split("|")[0] for key in counts))
    sizes = list(dict.fromkeys(int(key.split("|")[4]) for key in counts))
    for rule in rules:
        print(f"\n### {rule}: alarms (significant), in percent\n")
        print(
            "| change |"
            + " | ".join(f"{size:,}" for size in sizes)
            + " |\n"
            + "| --- " * (len(sizes) + 1)
            + "|"
        )
        for change in dict.fromkeys(key.split("|")[1] for key in counts):
            line = []
            for size in sizes:
                kept = counts.get(f"{rule}|{change}|12|10000|{size}")
                if kept is None or not kept["checks"]:
                    line.append("")
                    continue
                alarm, certain = (100 * kept[word] / kept["checks"] for word in ("alarm", "significant"))
                line.append(f"{alarm:.0f}" if rule != "ours" else f"{alarm:.0f} ({certain:.0f})")
            print(f"| {change} | " + " | ".join(line) + " |")
    fewest = min(kept["checks"] for kept in counts.values())
    print("\nchecks a cell:", fewest, "to", max(kept["checks"] for kept in counts.values()))
