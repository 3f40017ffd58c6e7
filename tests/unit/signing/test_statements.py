"""What a signature covers: every file, its name and its place; and what it does not let through."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import signing_help
from signing_help import KEY

from mlpipes_cli.errors import MlpipesError
from mlpipes_cli.signing import files, keys, statements
from mlpipes_cli.signing.vault import Changed, Untrusted, Vault

OTHER = keys.read("another key, which is long enough too", "tests")
SAID = {"actor": "ada@here", "when": "2026-12-01T10:00:00+00:00", "why": "I looked at it"}


def model(folder: Path) -> Path:
    """Files as a model has them; nothing is loaded here."""
    (folder / "code").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "model.pkl").write_bytes(b"\x80\x04" + bytes(range(200)))
    (folder / "code" / "größe 1.py").write_text("x = 1\n")
    return folder


class Shelf:
    """A registry with one version, whose files are a folder."""

    def __init__(self, folder: Path, tags: Mapping[str, str] | None = None) -> None:
        self.folder, self.given, self.copies = folder, dict(tags or {}), 0

    def read(self, name: str, version: int, path: str, limit: int) -> bytes | None:
        file = self.folder / path
        return file.read_bytes()[:limit] if file.is_file() else None

    def tags(self, name: str, version: int) -> Mapping[str, str]:
        return self.given

    def fetch(self, name: str, version: int, folder: Path) -> None:
        self.copies += 1
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)

    def fetch_logged(self, uri: str, folder: Path) -> None:
        self.fetch("", 0, folder)


def fetch(shelf: Shelf, target: Path, key: keys.Key = KEY) -> statements.Statement:
    vault: Any = Vault(shelf, key)  # type: ignore[arg-type]
    found: statements.Statement = vault.fetch("credit", 3, target)
    return found


def test_what_was_signed_comes_out(tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    found = fetch(Shelf(folder), tmp_path / "copy")
    assert (found.actor, [file.path for file in found.files or ()]) == (
        "",
        ["MLmodel", "code/größe 1.py", "model.pkl"],
    )
    assert (tmp_path / "copy" / "code" / "größe 1.py").read_text() == "x = 1\n"


def _flip(folder: Path) -> None:
    content = bytearray((folder / "model.pkl").read_bytes())
    content[77] ^= 1
    (folder / "model.pkl").write_bytes(content)


def _rename(folder: Path) -> None:
    (folder / "model.pkl").rename(folder / "Model.pkl")


def _swap(folder: Path) -> None:
    one, other = folder / "MLmodel", folder / "model.pkl"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _link(folder: Path) -> None:
    (folder / "model.pkl").rename(folder.parent / "elsewhere")
    (folder / "model.pkl").symlink_to(folder.parent / "elsewhere")


def _link_to_a_folder(folder: Path) -> None:
    (folder / "code").rename(folder.parent / "elsewhere")
    (folder / "code").symlink_to(folder.parent / "elsewhere")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one bit": (_flip, "model.pkl was changed"),
    "one byte more": (lambda f: (f / "MLmodel").open("ab").write(b"\n"), "MLmodel was changed"),
    "another file": (lambda f: (f / "code" / "more.py").write_text(""), "code/more.py was added"),
    "a hidden one": (lambda f: (f / ".x").write_text(""), ".x was added"),
    "one less": (lambda f: (f / "MLmodel").unlink(), "MLmodel is missing"),
    "another name": (_rename, "Model.pkl was added"),
    "two names swapped": (_swap, "MLmodel was changed"),
    "a link": (_link, "model.pkl in a model's folder is not a regular file"),
    "a link to a folder": (_link_to_a_folder, "code in a model's folder is not a regular file"),
    "a pipe": (lambda f: os.mkfifo(f / "pipe"), "pipe in a model's folder is not a regular file"),
    "a line in a name": (lambda f: (f / "a\nb").write_text(""), "is not plain text"),
    "a signature below": (
        lambda f: (f / "code" / files.SIGNATURE).write_text(""),
        f"code/{files.SIGNATURE} was added",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_was_changed_is_refused_and_named(change: str, tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    do, told = CHANGES[change]
    do(folder)
    vault: Any = Vault(Shelf(folder), KEY)  # type: ignore[arg-type]
    with pytest.raises(Changed, match=re.escape(told)) as caught:
        vault.check("credit", 3, folder)
    assert "version 3 of model 'credit'" in caught.value.reason
    assert caught.value.hint.endswith("then run `mlpipes models trust 3 --model credit`")
    with pytest.raises(statements.Doubtful, match=re.escape(told)):
        statements.sealed(folder, KEY)


def _with(**changed: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | changed)


FORGERIES: dict[str, tuple[Callable[[str], str], str]] = {
    "of another key": (
        lambda text: text.replace(KEY.id, OTHER.id),
        f"was signed with another key ('{OTHER.id}'; this project's is '{KEY.id}')",
    ),
    "without a MAC": (lambda text: text.replace('"mac"', '"mic"'), "unreadable signature"),
    "with another MAC": (_with(mac="0" * 64), "has an invalid signature"),
    "with a MAC that is no text": (_with(mac=None), "has an invalid signature"),
    "with a MAC of other letters": (_with(mac="ü"), "has an invalid signature"),
    "with other files": (_with(files=[]), "has an invalid signature"),
    "of another kind": (_with(by="trust", model="credit", version=3), "has an invalid signature"),
    "no object": (lambda _: "[1]", "unreadable signature"),
    "a text": (lambda _: '"x"', "unreadable signature"),
    "no JSON": (lambda _: "\x80", "unreadable signature"),
    "deep": (lambda _: "[" * 100_000, "unreadable signature"),
    "empty": (lambda _: "", "unreadable signature"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_signature_is_none_and_nothing_is_fetched(forgery: str, tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    change, told = FORGERIES[forgery]
    text = (folder / files.SIGNATURE).read_text()
    (folder / files.SIGNATURE).write_text(change(text), encoding="utf-8", errors="surrogatepass")
    shelf = Shelf(folder)
    with pytest.raises(Untrusted, match=re.escape(told)):
        fetch(shelf, tmp_path / "copy")
    assert shelf.copies == 0


def test_a_signature_of_another_key_is_none(tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    with pytest.raises(Untrusted, match="with another key"):
        fetch(Shelf(folder), tmp_path / "copy", OTHER)


def test_trust_is_about_these_files_of_this_version_by_this_key(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    listed = files.listed(folder)
    text = statements.trust(listed, KEY, "credit", 3, **SAID)
    shelf = Shelf(folder, {statements.TAG: text})
    found = fetch(shelf, tmp_path / "a")
    assert {name: getattr(found, name) for name in SAID} == SAID

    for text_of_another, told in (
        (statements.trust(listed, KEY, "credit", 4, **SAID), "the signature of version 4 of 'credit'"),
        (statements.trust(listed, KEY, "other", 3, **SAID), "the signature of version 3 of 'other'"),
        (statements.trust(listed, OTHER, "credit", 3, **SAID), "with another key"),
    ):
        with pytest.raises(Untrusted, match=re.escape(told)):
            fetch(Shelf(folder, {statements.TAG: text_of_another}), tmp_path / "b")

    (folder / files.SIGNATURE).write_text(text)  # in the place of train's
    vault: Any = Vault(Shelf(folder), KEY)  # type: ignore[arg-type]
    with pytest.raises(Untrusted, match="the signature of version 3"):
        vault.fetch("credit", 9, tmp_path / "c")

    _flip(folder)
    with pytest.raises(Changed, match="has changed since ada@here trusted it on 2026-12-01: its files were"):
        fetch(shelf, tmp_path / "d")


def test_a_run_s_model_counts_only_if_train_signed_it(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    vault: Any = Vault(Shelf(folder), KEY)  # type: ignore[arg-type]
    with pytest.raises(Untrusted, match="the model of logistic is not signed by this project") as caught:
        vault.check_logged("models:/m-1", tmp_path / "a", "logistic")
    assert "`mlpipes train --force`" in caught.value.hint
    signing_help.seal(folder)
    vault.check_logged("models:/m-1", tmp_path / "b", "logistic")


def test_what_was_signed_and_changed_may_be_trusted_as_it_is_now(tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    _flip(folder)
    text = statements.trust(files.listed(folder), KEY, "credit", 3, **SAID)
    assert fetch(Shelf(folder, {statements.TAG: text}), tmp_path / "copy").actor == "ada@here"


def parts(shelf: Shelf, target: Path) -> list[str]:
    target.mkdir()
    vault: Any = Vault(shelf, KEY)  # type: ignore[arg-type]
    vault.fetch_parts("credit", 3, target, ("MLmodel", "sample.arrow"))
    return sorted(path.name for path in target.iterdir())


def test_parts_of_a_model_are_checked_by_themselves(tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    shelf = Shelf(folder)
    assert parts(shelf, tmp_path / "a") == ["MLmodel"] and shelf.copies == 0
    _flip(folder)  # another file
    assert parts(shelf, tmp_path / "b") == ["MLmodel"]
    (folder / "sample.arrow").write_bytes(b"of a stranger")
    assert parts(shelf, tmp_path / "c") == ["MLmodel"]  # it was not signed
    (folder / "MLmodel").write_text("flavors: []\n")
    with pytest.raises(Untrusted, match="has changed since it was signed: MLmodel was changed"):
        parts(shelf, tmp_path / "d")
    assert list((tmp_path / "d").iterdir()) == []
    (folder / "MLmodel").unlink()
    with pytest.raises(Untrusted, match="MLmodel is missing"):
        parts(shelf, tmp_path / "e")
    with pytest.raises(Untrusted, match="is not signed by this project"):
        parts(Shelf(model(tmp_path / "unsigned")), tmp_path / "f")


def test_parts_of_a_trusted_model_come_with_all_of_it(tmp_path: Path) -> None:
    folder = signing_help.seal(model(tmp_path / "m"))
    (folder / "MLmodel").write_text("flavors: []\n")
    text = statements.trust(files.listed(folder), KEY, "credit", 3, **SAID)
    shelf = Shelf(folder, {statements.TAG: text})
    assert "model.pkl" in parts(shelf, tmp_path / "a") and shelf.copies == 1
    _flip(folder)
    with pytest.raises(Untrusted, match="has changed since ada@here trusted it"):
        parts(shelf, tmp_path / "b")


def test_long_words_fit_into_the_registry(tmp_path: Path) -> None:
    text = statements.trust(
        files.listed(model(tmp_path / "m")), KEY, "m" * 250, 3, actor="w" * 9999, when="2026", why="é" * 9999
    )
    assert len(text) <= 5000
    assert statements.verified(text, KEY, "m" * 250, 3).why == "é" * 200


@pytest.mark.parametrize(("text", "told"), [("", "is missing"), ("secret", "has 6 characters")])
def test_a_key_that_could_be_guessed_is_none(text: str, told: str) -> None:
    with pytest.raises(MlpipesError, match=told):
        keys.read(text, ".env")
    with pytest.raises(MlpipesError, match=told) as caught:
        keys.of_environment({keys.NAME: text})
    assert caught.value.hint == "set it to the value in the project's .env"


def test_a_key_tells_its_id_and_nothing_else() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", KEY.id)
    assert KEY.id != OTHER.id
    assert signing_help.TEXT not in repr(KEY)
    assert keys.of_environment({keys.NAME: signing_help.TEXT}) == KEY
