"""Where the time of a server goes under load: processor time by process, and samples of its Python stacks.

``python benchmarks/serving/where_time_goes.py`` loads our API with wrk while py-spy (in an environment of its
own) looks at it from outside, without changing it. ``--server`` takes any other server of the benchmark.
py-spy needs the right to trace processes (root, or ``kernel.yama.ptrace_scope`` 0).
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import checks
import envs
import options
import processes
import psutil
import wrk
from envs import BenchError
from peers import PEERS
from peers.base import Peer, free_port
from processes import Server, ask, serving
from session import Subject
from stack import ESTIMATORS, Stack, running

SHOWN = 25
RATE = 500  # samples a second
OUTER = 0.8  # what is on more stacks than that is around everything


def profile(server: Server, seconds: int, native: bool, out: Path) -> subprocess.Popen[bytes]:
    """py-spy on the server's tree."""
    bin = envs.bin_of(Path(__file__).with_name("profiler"))
    command = [str(bin / "py-spy"), "record", "--pid", str(server.process.pid), "--subprocesses"]
    command += ["--duration", str(seconds), "--rate", str(RATE), "--format", "raw", "--nonblocking"]
    command += ["--threads", "--output", str(out), *(["--native"] if native else [])]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def postgres_seconds() -> float:
    """Processor time of all PostgreSQL processes of this machine."""
    used = 0.0
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            used += times.user + times.system
    return used


def table(title: str, counts: Counter[str], total: int) -> list[str]:
    """The largest, as shares of all samples."""
    rows = [f"| {name} | {100 * count / total:.1f} |" for name, count in counts.most_common(SHOWN)]
    return ["", title, "", "| where | % |", "| --- | ---: |", *rows]


def read(file: Path) -> list[tuple[list[str], int]]:
    """Stacks, outermost first, and how often they were seen."""
    lines = (line.rpartition(" ") for line in file.read_text(errors="replace").splitlines())
    return [(stack.split(";"), int(count)) for stack, _, count in lines if count.isdigit()]


def place(frame: str) -> str:
    """A frame without its line and without folders that differ between machines."""
    name, _, where = frame.partition(" (")
    path = where.rstrip(")").partition(":")[0]
    for mark in ("site-packages/", "/lib/python3", "mlpipes_cli/"):
        if mark in path:
            path = ("mlpipes_cli/" if mark == "mlpipes_cli/" else "") + path.split(mark, 1)[1]
            break
    else:
        path = Path(path).name
    return f"`{name}` {path}"


def report(stacks: list[tuple[list[str], int]]) -> list[str]:
    total = sum(count for _, count in stacks)
    if not total:
        return ["", "py-spy saw no Python at work."]
    own, within = Counter[str](), Counter[str]()
    for stack, count in stacks:
        frames = [place(frame) for frame in stack if not frame.startswith(("thread", "process"))]
        own.update({frames[-1]: count} if frames else {})
        within.update(dict.fromkeys(set(frames), count))
    inner = Counter({frame: count for frame, count in within.items() if count < OUTER * total})
    return [
        *table("In the function itself:", own, total),
        *table("In the function and all that it calls (without what is around everything):", inner, total),
    ]


def measure(stack: Stack, peer: Peer, arguments: argparse.Namespace) -> list[str]:
    subject = Subject.of(stack, stack.train(arguments.model))
    bin = Path() if peer.folder is None else envs.bin_of(peer.folder)
    route, port, out = peer.routes[0], free_port(), stack.folder / "stacks"
    scratch = stack.folder / "scratch"
    scratch.mkdir()

    def right() -> bool:
        try:
            asked = ask(port, route, subject.target.name, subject.records[:1])
        except (OSError, BenchError):
            return False
        return checks.same(asked, checks.part(subject.truth, 0))

    path = route.path.format(model=subject.target.name)
    body = subject.body(peer, route, arguments.rows)
    launch = peer.launch(bin, subject.target, port, scratch)
    with serving(launch, port, stack.folder / "server.log") as server:
        server.wait(right)
        wrk.run(port, path, body, arguments.connections, 2)
        plain = wrk.run(port, path, body, arguments.connections, arguments.seconds)
        before = (server.seconds(), postgres_seconds())
        looking = profile(server, arguments.seconds, arguments.native, out)
        said: list[bytes] = []
        reader = threading.Thread(target=lambda: said.append(looking.communicate()[1]))
        reader.start()
        load = wrk.run(port, path, body, arguments.connections, arguments.seconds + 1)
        after = (server.seconds(), postgres_seconds())
        reader.join()
    lines = [
        f"# Where the time of {peer.name} goes",
        "",
        f"{arguments.model}, {arguments.rows} row(s) a request on {arguments.connections} connections: "
        f"{plain.rate:.0f} requests/s, {load.rate:.0f} with py-spy looking.",
        f"Processor time a request: the server {1e6 * (after[0] - before[0]) / load.answers:.0f} us, "
        f"PostgreSQL {1e6 * (after[1] - before[1]) / load.answers:.0f} us; the server used "
        f"{100 * (after[0] - before[0]) / load.seconds:.0f} % of one core.",
    ]
    if not out.is_file():
        return [*lines, "", f"py-spy failed: {b''.join(said).decode(errors='replace').strip()[-400:]}"]
    return [*lines, *report(read(out))]


def main() -> int:
    parser = argparse.ArgumentParser(description="where the time of a server goes")
    parser.add_argument("--server", choices=list(PEERS), default="mlpipes")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rows", type=int, choices=(1, 1000), default=1)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--native", action="store_true", help="functions of compiled modules too")
    parser.add_argument("--model", choices=list(ESTIMATORS), default="boosting")
    options.add_data(parser)
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write it there too")
    arguments = parser.parse_args()
    data = options.data_of(parser, arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(data) as stack:
            lines = measure(stack, PEERS[arguments.server], arguments)
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
        arguments.out.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
