"""CSV bodies: a line that is not as long as the header moves no value into another column."""

from __future__ import annotations

import pytest

from mlpipes_cli.server.requests.tables import of_cells


def test_cells_stay_as_they_are_written() -> None:
    frame = of_cells(b'\xef\xbb\xbfid,note\n007,"a, ""b""\nc"\n\n008,\n')
    assert frame.to_dict("records") == [{"id": "007", "note": 'a, "b"\nc'}, {"id": "008", "note": ""}]


def test_a_cell_may_hold_an_image() -> None:
    image = "QUJD" * 100_000
    assert of_cells(f"image,size\n{image},\n".encode()).to_dict("records") == [{"image": image, "size": ""}]


@pytest.mark.parametrize(
    ("body", "told"),
    {
        "a value too many": (b"a,b\n1,2,3\n", "the body: line 2 has 3 fields, but the header has 2"),
        "a comma too many": (b"a,b\n1,2,\n3,4,\n", "the body: line 2 has 3 fields, but the header has 2"),
        "a later line too long": (b"a,b\n1,2\n3,4,5\n", "line 3"),
        "a value too few": (b"a,b\n1,2\n3\n", "the body: line 3 has 1 fields, but the header has 2"),
        "a column twice": (b"a,b,a\n1,2,3\n", "the body: duplicate column names: 'a'; rename them"),
        "a zero byte": (b"a,b\n" + b"3,4\n" * 5000 + b"1\x005,2\n", "the body is not a CSV file but "
        "a binary file"),
        "no UTF-8": (b"a\n\xff\n", "the body is not valid UTF-8 at byte 2"),
        "nothing": (b"", "the body is empty"),
    }.values(),
)  # fmt: skip
def test_what_does_not_line_up_is_refused(body: bytes, told: str) -> None:
    with pytest.raises(ValueError) as error:
        of_cells(body)
    assert told in str(error.value)


def test_a_large_body_has_the_same_cells() -> None:
    line = b'007,"a ""b""",,1e3\n'
    small, large = (of_cells(b"id,note,gap,number\n" + line * count) for count in (2, 2**17))
    assert large.head(2).to_dict("records") == small.to_dict("records")
    assert len(large) == 2**17
