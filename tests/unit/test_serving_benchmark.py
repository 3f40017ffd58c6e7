"""The parts of benchmarks/serving that judge: load, answers, ratios, slopes."""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "serving"


@pytest.fixture(scope="module")
def bench():
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        names = (
            "ageing",
            "arrivals",
            "checks",
            "envs",
            "peers",
            "peers.base",
            "report",
            "session",
            "slopes",
            "soak",
            "wrk",
        )
        yield SimpleNamespace(**{name.replace(".", "_"): importlib.import_module(name) for name in names})
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]


def test_no_helper_of_the_tests_has_the_name_of_a_module_of_the_benchmark():
    """Both are imported by their bare names: in one process the first would stand for the second."""
    helpers = {path.name for path in (Path(__file__).parents[1] / "helpers").glob("*.py")}
    assert helpers.isdisjoint(path.name for path in FOLDER.glob("*.py"))


class Server:
    """Answers every request with 200, or the given status; stands still once for a while."""

    def __init__(self, status: int = 200, stall: float = 0.0) -> None:
        self.status, self.stall, self.asked, self.connections = status, stall, 0, 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            self.asked += 1
            if self.asked == 50 and self.stall:
                await asyncio.sleep(self.stall)
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % self.status)

    async def run(self, load):
        server = await asyncio.start_server(self._quietly, "127.0.0.1", 0)
        try:
            return await load(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    async def _quietly(self, reader, writer):
        self.connections += 1
        try:
            await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def test_a_rate_charges_a_stall_to_all_that_had_to_wait(bench):
    async def load(port):
        clients = bench.arrivals.Clients(port, "/", ["{}"], connections=1)
        await clients.steady(200, 1.0)
        await clients.close()
        return clients

    clients = asyncio.run(Server(stall=0.5).run(load))
    window = clients.window
    assert window.errors == 0
    assert 190 <= window.good == clients.sent <= 200
    late = sum(latency > 100 for latency in window.latencies)
    assert late > 50  # a closed loop would have seen a single slow answer
    assert window.percentile(0.99) > 400


def test_a_closed_loop_counts_predictions_and_errors_apart(bench):
    async def load(port):
        clients = bench.arrivals.Clients(port, "/", ["{}"], connections=4)
        window = await clients.closed(0.2)
        await clients.close()
        return window

    good = asyncio.run(Server().run(load))
    assert good.good > 10 and good.errors == 0
    bad = asyncio.run(Server(status=503).run(load))
    assert bad.good == 0 and bad.errors > 10 and math.isnan(bad.percentile(0.5))


def test_connections_that_rested_are_renewed_and_are_no_errors(bench):
    server = Server()

    async def load(port):
        clients = bench.arrivals.Clients(port, "/", ["{}"], connections=4)
        found = []
        for _ in range(3):
            clients.window = bench.arrivals.Window()
            await clients.renew()
            await clients.steady(200, 0.2)
            found.append((clients.window.good, clients.window.errors))
        await asyncio.sleep(0.1)  # what was closed is told
        assert clients.window.errors == 0
        await clients.close()
        return found

    found = asyncio.run(server.run(load))
    assert all(35 <= good <= 40 and not errors for good, errors in found)
    assert sum(good for good, _ in found) == server.asked
    assert server.connections == 3 * 4


def test_answers_are_the_same_up_to_the_ninth_digit(bench):
    Answers, same = bench.peers_base.Answers, bench.checks.same
    assert same(Answers([0, 1], [0.1, 0.9]), Answers([0, 1], [0.1 + 1e-10, 0.9]))
    assert same(Answers([0, 1]), Answers([0, 1], [0.1, 0.9]))
    assert not same(Answers([0, 1], [0.1, 0.9]), Answers([0, 1], [0.1 + 1e-8, 0.9]))
    assert not same(Answers([0]), Answers([0, 1]))
    assert not same(Answers([1, 0]), Answers([0, 1]))


@pytest.mark.parametrize(
    "found, once, holds", [(10, 5, True), (12, 5, True), (9, 5, False), (13, 5, False), (10, 4, False)]
)
def test_rows_hold_between_the_answered_and_the_asked(bench, found, once, holds):
    assert bench.checks.Stored(10, 2, found, 5, once).holds is holds


def test_every_peer_says_the_same_row_in_its_own_words(bench):
    records = [{"a": 1.5, "b": 2, "c": "x"}, {"a": 2.5, "b": 3, "c": "y"}]
    bodies = {
        f"{peer.name} {route.name}": json.loads(route.encode(records))
        for peer in bench.peers.PEERS.values()
        for route in peer.routes
    }
    assert bodies["mlpipes invocations"] == bodies["mlflow invocations"]
    assert bodies["mlpipes predict"] == records
    assert bodies["litserve predict"] == bodies["fastapi predict"] == {"records": records}
    tensors = bodies["mlserver infer"]["inputs"]
    assert [(one["name"], one["datatype"], one["data"]) for one in tensors] == [
        ("a", "FP64", [1.5, 2.5]),
        ("b", "INT64", [2, 3]),
        ("c", "BYTES", ["x", "y"]),
    ]


def outcome(bench, rates, cold=1.0, rss=100.0):
    case = bench.session.CASES[0].name
    loads = {
        route: {case: bench.wrk.Load(round(rate * 2), 2.0, 1.0, 2.0, 0, 0)} for route, rate in rates.items()
    }
    memory = SimpleNamespace(rss=rss, pss=rss, processes=1)
    return bench.session.Outcome(0.0, cold, loads, memory, memory)


def test_ratios_are_of_medians_on_the_route_that_answers_as_much(bench):
    servers = {
        "mlpipes": [outcome(bench, {"invocations": rate, "predict": rate / 2}) for rate in (90, 100, 500)],
        "mlflow": [outcome(bench, {"invocations": rate}, cold=4.0, rss=150.0) for rate in (1, 10, 12)],
        "fastapi": [outcome(bench, {"predict": 10})],
    }
    first = bench.session.CASES[0]
    assert bench.report._ratio(servers, "mlflow", first) == 10
    assert bench.report._ratio(servers, "fastapi", first) == 5
    assert bench.report._ratio(servers, "bentoml", first) is None
    about = {
        "commit": "c",
        "date": "d",
        "machine": "m",
        "data": "x",
        "rounds": 3,
        "seconds": 1,
        "minutes": 1,
        "busy": 0,
    }
    page = bench.report.markdown({"boosting": servers}, {"bentoml (all models)": "no such version"}, about)
    assert "| `mlflow models serve` | 10.0x (target 8x, kept) |" in page
    assert "cold start 4.0x (target 3x, kept) faster; memory (RSS) 1.5x (target 2x, **MISSED**) less" in page
    assert "- bentoml (all models): no such version" in page


def test_refused_answers_are_no_predictions(bench):
    load = bench.wrk.Load(answers=100, seconds=2.0, p50=1, p99=2, refused=40, broken=3)
    assert (load.good, load.rate, load.errors) == (60, 30.0, 43)


@pytest.mark.parametrize(
    "values, verdict",
    [
        ([100 + step % 3 for step in range(30)], "flat"),
        ([100 + 2 * step for step in range(30)], "GROWS"),
        ([100 - step for step in range(30)], "flat"),
        ([100, 130, 90, 140, 95], "not decided"),
    ],
)
def test_slopes(bench, values, verdict):
    assert bench.slopes.slope("RSS", "MB", values).verdict == verdict


def ageing_blocks(bench, ratio):
    """Twenty blocks on a machine whose latencies go up and down by far more than the servers differ."""
    blocks = []
    for number in range(20):
        block = bench.ageing.Block(1000.0, aged_rss=200.0 + number % 2)
        for turn in range(40):
            minute = number * 2 + turn / 20
            slow = 20 * (1 + 9 * (turn % 7 == 0)) * (1 + number % 5)
            scatter = 1 + 0.3 * math.sin(17.0 * turn + number)
            block.turns.append(
                bench.ageing.Turn(minute, slow * ratio(minute), slow * scatter, slow * ratio(minute))
            )
        blocks.append(block)
    return blocks


@pytest.mark.parametrize(
    ("ratio", "told", "well"),
    [
        (lambda minute: 1.0, ["flat", "flat", "flat"], True),
        (lambda minute: 1 + minute / 40, ["GROWS", "GROWS", "flat"], False),
        (lambda minute: 1.5, ["flat", "GROWS", "flat"], False),  # at once, before the first look
    ],
)
def test_ageing_is_told_from_the_weather(bench, ratio, told, well):
    lines, fine = bench.ageing.judge(ageing_blocks(bench, ratio))
    assert [line.rpartition(": ")[2] for line in lines] == told
    assert fine is well


def test_a_median_and_its_interval(bench):
    assert bench.slopes.middle(list(range(101))) == (50, 40, 61)
    assert bench.slopes.middle([3.0] * 10) == (3.0, 3.0, 3.0)


def test_slopes_of_some_minutes_know_when_those_were(bench) -> None:
    values, minutes = [10.0, 11.0, 12.0, 13.0, 14.0], [2, 12, 22, 32, 42]
    found = bench.slopes.slope("p99", "ms", values, minutes, "over some")
    assert found.middle == pytest.approx(6.0)  # an hour
    assert found.hours == pytest.approx(41 / 60)
    assert found.verdict == "GROWS"


def test_minutes_in_which_others_took_the_processors_are_left_out(bench) -> None:
    stolen = [0, 0, 0.003, 0.2, 0.01, 0.0, 0.011, 0.0]
    assert bench.soak.undisturbed(stolen, 0) == [2, 4, 5, 7]
    assert bench.soak.undisturbed(stolen, 1) == [2, 5]


def test_an_environment_of_other_versions_is_refused(bench, tmp_path):
    model = tmp_path / "model.txt"
    pins = dict.fromkeys(bench.envs.SHARED, "1.0")
    model.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    bench.envs.check(model, model)
    other = tmp_path / "other.txt"
    other.write_text(model.read_text().replace("pandas==1.0", "pandas==2.0"))
    with pytest.raises(bench.envs.BenchError, match=r"pandas 2\.0, not 1\.0"):
        bench.envs.check(other, model)


def test_every_lock_has_the_models_versions(bench):
    wanted = bench.envs._pins(FOLDER / "peers" / "model.in")
    project = bench.envs._pins(FOLDER.parents[1] / "requirements.lock")
    assert set(wanted) == set(bench.envs.SHARED)
    for peer in bench.peers.PEERS.values():
        if peer.folder is not None:
            pins = bench.envs._pins(peer.folder / "requirements.txt")
            assert {name: pins.get(name) for name in wanted} == wanted, peer.name
    assert {name: project[name].rstrip(" \\") for name in wanted} == wanted
