"""What the panel has to know of the disk, not read again for every line of progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from MRNDiagnosisLib.session import Session
from MRNLib.bundle_store import added_bundles


@dataclass(frozen=True)
class OnDisk:
    """What lies on the disk.

    Attributes:
        files: Whether the files of the shown result are there.
        bundle_added: Whether the chosen model was added by the user.
    """

    files: bool
    bundle_added: bool


_seen: WeakKeyDictionary[Session, tuple[Any, OnDisk]] = WeakKeyDictionary()


def on_disk(session: Session) -> OnDisk:
    """What lies on the disk; while something runs, what lay there when it began.

    A run's own files count from its end on, which is drawn when nothing runs any more. Another
    result or model is looked for at once.
    """
    shown = session.nodes and (session.nodes.text.GetID(), session.nodes.text.GetMTime())
    about = (shown, session.result_folder, session.chosen.bundle, session.runs.task)
    before = _seen.get(session)
    if before is not None and session.runs.task and before[0] == about:
        return before[1]
    found = OnDisk(session.has_files(), session.chosen.bundle in added_bundles())
    _seen[session] = (about, found)
    return found
