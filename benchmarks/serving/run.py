"""Our prediction API beside other model servers: the same models, the same rows, the same machine.

``python benchmarks/serving/run.py`` makes a project with an embedded stack, trains and promotes the models,
installs each peer into an environment of its own, and measures server after server in rounds. Only the
server that is measured runs (the stack's PostgreSQL and MLflow stay up for all of them); each round starts
with another one. See README.md; the last results are in RESULTS.md.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import envs
import options
import processes
import report
import session
from envs import BenchError
from peers import PEERS
from peers.base import Peer
from session import CASES, OTHER_CASES, Case, Outcome, Subject
from stack import ESTIMATORS, OTHER, Data, Stack, running

OURS = "mlpipes"


class Bench:
    """All rounds of a run, and what they gave.

    Args:
        stack: The running stack.
        peers: What is measured.
        seconds: For each load.
    """

    def __init__(self, stack: Stack, peers: list[Peer], seconds: int) -> None:
        self.stack, self.seconds = stack, seconds
        self.results: report.Results = {}
        self.missing: dict[str, str] = {}
        self.bins: dict[str, Path] = {}
        for peer in peers:
            self._attempt("all models", peer, lambda peer=peer: self._install(peer))  # type: ignore[misc]
        self.peers = [peer for peer in peers if peer.name in self.bins]

    def other(self, like: Subject) -> Subject | None:
        """The model that is not scikit-learn's, or None where it cannot be made of these columns."""
        from mlflow.exceptions import MlflowException

        try:
            return Subject.of(self.stack, self.stack.register_other(like.target))
        except (BenchError, MlflowException) as error:
            self.missing[OTHER] = " ".join(str(error).split())[:300]
            return None

    def round(self, number: int, subject: Subject, cases: tuple[Case, ...]) -> None:
        """Each server once; every round starts with the next one."""
        model = subject.target.name
        chosen = [peer for peer in self.peers if peer.any_model or model != OTHER]
        turn = number % len(chosen)
        for peer in chosen[turn:] + chosen[:turn]:
            if f"{peer.name} ({model})" not in self.missing:
                self._attempt(model, peer, lambda peer=peer: self._measure(number, peer, subject, cases))  # type: ignore[misc]

    def _install(self, peer: Peer) -> None:
        self.bins[peer.name] = Path() if peer.folder is None else envs.bin_of(peer.folder)

    def _measure(self, number: int, peer: Peer, subject: Subject, cases: tuple[Case, ...]) -> None:
        model = subject.target.name
        if peer.folder is not None and model != OTHER:
            envs.check(peer.folder / "requirements.txt", subject.target.folder / "requirements.txt")
        outcome = session.run(self.stack, peer, self.bins[peer.name], subject, cases, self.seconds)
        self.results.setdefault(model, {}).setdefault(peer.name, []).append(outcome)
        print(f"round {number + 1}, {model}, {peer.name}: {_told(outcome)}", flush=True)

    def _attempt(self, model: str, peer: Peer, action: Callable[[], None]) -> None:
        try:
            action()
        except (BenchError, OSError) as error:
            self.missing[f"{peer.name} ({model})"] = str(error)
            print(f"{peer.name}, {model}: NOT MEASURED: {error}", flush=True)


def _told(outcome: Outcome) -> str:
    rates = [
        f"{route} {' / '.join(f'{load.rate:.0f}' for load in loads.values())} a second"
        for route, loads in outcome.loads.items()
    ]
    errors = sum(load.errors for loads in outcome.loads.values() for load in loads.values())
    return f"started in {outcome.cold:.1f} s, {', '.join(rates)}, {errors} errors"


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started, busy = time.perf_counter(), report.busy()
    data: Data = arguments.given
    names = arguments.only.split(",") if arguments.only else list(PEERS)
    try:
        with running(data) as stack:
            print(f"the stack runs after {time.perf_counter() - started:.0f} s; training", flush=True)
            subjects = [Subject.of(stack, stack.train(name)) for name in arguments.models.split(",")]
            bench = Bench(stack, [PEERS[name] for name in names], arguments.seconds)
            other = None if arguments.no_other else bench.other(subjects[0])
            ended = _rounds(bench, arguments.rounds, subjects, other)
            about = report.about(stack, data, ended, arguments.seconds, started, busy)
    except BenchError as error:
        print(f"cannot measure: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        processes.sweep()
    return finish(bench, about, arguments.out)


def _rounds(bench: Bench, rounds: int, subjects: list[Subject], other: Subject | None) -> int:
    """All rounds; how many were begun when the user stopped it (what was measured until then is reported)."""
    for number in range(rounds):
        try:
            for subject in subjects:
                bench.round(number, subject, CASES)
            if other is not None:
                bench.round(number, other, OTHER_CASES)
        except KeyboardInterrupt:
            bench.missing["the rest"] = "stopped by a signal"
            return number + 1
    return rounds


def finish(bench: Bench, about: dict[str, Any], out: Path | None) -> int:
    """Print the results and write them; 1 where a server could not be measured or a row is missing."""
    text = report.markdown(bench.results, bench.missing, about)
    print(text, end="")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
        out.with_suffix(".json").write_text(report.document(bench.results, bench.missing, about))
    kept = all(
        outcome.stored is None or outcome.stored.holds
        for servers in bench.results.values()
        for outcomes in servers.values()
        for outcome in outcomes
    )
    return 0 if kept and not bench.missing else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="our prediction API beside other model servers")
    parser.add_argument("--rounds", type=int, help="(default: 3)")
    parser.add_argument("--seconds", type=int, help="for each load (default: 3)")
    parser.add_argument("--only", metavar="SERVERS", help=f"of {','.join(PEERS)}")
    parser.add_argument(
        "--models", default=",".join(ESTIMATORS), help="which of boosting,forest (default: both)"
    )
    parser.add_argument(
        "--no-other", action="store_true", help="leave out the model that is not scikit-learn's"
    )
    options.add_data(parser)
    parser.add_argument("--quick", action="store_true", help="one round of one second loads with one model")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the tables there, and FILE.json")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.models = arguments.models.split(",")[0]
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else 3
    if arguments.seconds is None:
        arguments.seconds = 1 if arguments.quick else 3
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("--rounds and --seconds are at least 1")
    for given, known in ((arguments.only, PEERS), (arguments.models, ESTIMATORS)):
        if unknown := set((given or "").split(",")) - {""} - set(known):
            parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(known)}")
    arguments.given = options.data_of(parser, arguments)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
