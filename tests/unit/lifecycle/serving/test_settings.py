from __future__ import annotations

from pathlib import Path

from mlpipes_cli.config.serving import Limits, Mirror, Serving
from mlpipes_cli.lifecycle.serving.settings import server_settings, settings_in_image


def test_the_files_settings_reach_the_server() -> None:
    serving = Serving(
        also=("canary",),
        mirror=Mirror(alias="staging", share=0.25),
        limits=Limits(rows=7, waiting=9, seconds=2.5),
    )
    told = server_settings(serving, "credit", "production", Path("/state"))
    assert told.aliases == ("production", "canary", "staging")
    assert (told.mirror_share, told.max_rows, told.max_waiting, told.answer_timeout) == (0.25, 7, 9, 2.5)
    assert told.spool == "/state/spool"


def test_the_challenger_itself_is_not_mirrored_to_itself() -> None:
    told = server_settings(Serving(mirror=Mirror(alias="staging")), "credit", "staging", Path("/state"))
    assert told.mirror_alias is None
    assert told.aliases == ("staging",)


def test_an_image_has_its_one_model_only() -> None:
    serving = Serving(also=("staging",), mirror=Mirror(alias="staging"))
    when, files = "2026-01-01T00:00:00+00:00", "f" * 64
    told = settings_in_image(serving, "credit", 3, "production", Path("/model"), when, files)
    assert (told.version, told.folder, told.aliases, told.files) == (3, "/model", ("production",), files)
    assert told.spool is None and told.scratch is None
