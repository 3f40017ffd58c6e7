from __future__ import annotations

import longest_first


def test_the_files_that_are_named_are_there() -> None:
    assert [name for name in longest_first.SECONDS if not (longest_first.HERE / name).is_file()] == []
