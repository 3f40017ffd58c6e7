from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from mlpipes_cli.html_page import pictures


def test_a_histogram_is_as_high_as_its_rows() -> None:
    drawn = ET.fromstring(pictures.histogram([10, 0, 5, 1000, 1], "four of &lt;b&gt;"))
    assert drawn.attrib["aria-label"] == "four of <b>"
    columns = drawn[0].attrib["d"].split("M")[1:]
    heights = [float(one.split("v-")[1].split("h")[0]) for one in columns]
    starts = [float(one.split(" ")[0]) for one in columns]
    assert heights == [1.0, 1.0, 60.0, 1.0], "the smallest can be seen"
    assert starts == [0, 96, 144, 192], "the empty bin stays empty"


@pytest.mark.parametrize(
    ("part", "low", "x", "width"),
    [(0.25, 0, "0.0", "25.0"), (0.2, 0.5, "20.0", "30.0"), (7, 0, "0.0", "100.0")],
)
def test_a_bar(part: float, low: float, x: str, width: str) -> None:
    drawn = ET.fromstring(pictures.bar(part, low))[0].attrib
    assert (drawn["x"], drawn["width"]) == (x, width)
