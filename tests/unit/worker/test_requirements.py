from __future__ import annotations

from importlib.metadata import version

from mlpipes_cli.worker import requirements


def test_what_is_named_is_pinned_as_installed_and_what_is_missing_as_it_was_named() -> None:
    pins = requirements.locked((), ("packaging", "no-such-package==1.5", "no-such-either"))
    assert f"packaging=={version('packaging')}" in pins
    assert f"numpy=={version('numpy')}" in pins
    assert "no-such-package==1.5" in pins
    assert not any(pin.startswith("no-such-either") for pin in pins)
    installed = requirements.locked((), (f"packaging=={version('packaging')}",))
    assert [pin for pin in installed if pin.startswith("packaging")] == [f"packaging=={version('packaging')}"]
