"""What the programs that load one server of ours for a long time share: flags, the stack, the page."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import options
import processes
import report
from envs import BenchError
from stack import ESTIMATORS, Stack, running

Measure = Callable[[Stack, argparse.Namespace], tuple[list[str], bool]]


def flags(description: str) -> argparse.ArgumentParser:
    """A parser of the shared flags."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity (default: 0.8)")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--model", choices=list(ESTIMATORS), default="boosting")
    options.add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="append the result there")
    return parser


def run(parser: argparse.ArgumentParser, title: str, measure: Measure) -> int:
    """Start the stack, measure, print the lines and append them to the page.

    Args:
        parser: With all flags.
        title: Of the page's section.
        measure: Gives the lines of the result, and whether all is well.

    Returns:
        The exit code: 0 where all is well.
    """
    arguments = parser.parse_args()
    data = options.data_of(parser, arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started, busy = time.perf_counter(), report.busy()
    try:
        with running(data) as stack:
            lines, well = measure(stack, arguments)
            about = report.about(stack, data, 1, round(arguments.minutes * 60), started, busy)
    except BenchError as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        processes.sweep()
    print("\n".join(lines))
    if arguments.out is not None:
        head = f"{title}: {arguments.model} on {about['data']}, {about['date']}, commit {about['commit']}"
        with arguments.out.open("a") as page:
            page.write(f"\n## {head}\n\n{about['machine']}.\n\n" + "\n".join(lines) + "\n")
    return 0 if well else 1
