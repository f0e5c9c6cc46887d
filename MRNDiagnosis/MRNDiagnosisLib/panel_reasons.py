"""Why buttons cannot be clicked, as far as several sections say it alike: no Qt."""

from __future__ import annotations

from MRNDiagnosisLib.panel_facts import Button, Facts, busy
from MRNDiagnosisLib.translation import tr as _


def no_volumes() -> str:
    """Nothing is chosen."""
    return _("Choose a QSM and an NM volume first.")


def no_outlines() -> str:
    """Nothing is outlined."""
    return _("There are no outlines yet: segment the nuclei or import masks first.")


def no_result() -> str:
    """Nothing was diagnosed."""
    return _("There is no result yet: diagnose first.")


def button(tip: str, *reasons: str, text: str | None = None) -> Button:
    """A button that the first reason among ``reasons`` disables."""
    reason = next(filter(None, reasons), "")
    return Button(not reason, reason or tip, text)


def can_run(facts: Facts) -> tuple[str, ...]:
    """Why no run can be started, most fundamental first."""
    lacking = ""
    if facts.missing:
        said = _("Packages are missing ({packages}): install them under Setup.")
        lacking = said.format(packages=", ".join(facts.missing))
    return (
        facts.too_old,
        busy(facts.running),
        lacking,
    )
