"""Whether a result is still that of the scene, and what a new diagnosis would do again.

Two fingerprints are compared and the difference is said in sentences for a radiologist. Tokens are
kept by content: only a ROI whose box or voxels are others is encoded again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from MRNDiagnosisLib.fingerprints import (
    Fingerprint,
    fingerprint,
    from_json,
    involved,
    remember,
    remembered,
    to_json,
)
from MRNDiagnosisLib.watcher import Watcher
from MRNLib.anatomy import ROI_NAMES, roi

__all__ = [
    "Fingerprint",
    "Watcher",
    "changes",
    "fingerprint",
    "from_json",
    "involved",
    "recompute",
    "remember",
    "remembered",
    "to_json",
]

MODALITIES = ("QSM", "NM")
# What is said when a setting differs; {} is its new value.
WORDS = {
    "bundle": "Another model was chosen: {}.",
    "folds": "The model's folds that vote were changed: {}.",
    "margin_mm": "The margin around the nuclei was changed: {}.",
    "precision": "The precision of the arithmetic was changed: {}.",
    "tta": "Averaging with the mirrored image was switched {}.",
    "exact_segmentation": "Segmenting the whole volume was switched {}.",
    "jitter": "Moving the boxes to test the result was switched {}.",
    "swap_modalities": "Exchanging QSM and NM was switched {}.",
    "swap_sides": "Exchanging right and left in the masks was switched {}.",
    "split_merged": "Splitting merged labels was switched {}.",
}
# What a setting without a value stands for.
UNSET = {"folds": "all", "margin_mm": "the model's own"}


def changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What changed since ``before``, one sentence each; empty where nothing that matters did."""
    return [
        *_settings_words(json.loads(before.settings), json.loads(now.settings)),
        *(words for role in (*MODALITIES, "T1") for words in _volume_words(role, before, now)),
        *(words for name in MODALITIES for words in _mask_words(name, before, now)),
        *(words for name in ROI_NAMES for words in _box_words(name, before, now)),
    ]


def recompute(before: Fingerprint, now: Fingerprint, tokens_kept: bool = True) -> str:
    """What Diagnose will do again, in a sentence or two.

    Args:
        before: The result's.
        now: The scene's.
        tokens_kept: Whether the earlier run's tokens are still there; they go with the session.
    """
    if not changes(before, now):
        return "Nothing changed: Diagnose gives the same result."
    old, new = json.loads(before.settings), json.loads(now.settings)
    # A ROI that is not in `boxes` has nuclei that are still to be outlined.
    used = [n for n in ROI_NAMES if n not in new["masked"] and now.boxes.get(n) != ""]
    other = _encoded_again(before, now) if tokens_kept else set(ROI_NAMES)
    again = [name for name in used if name in other]
    drawn = _drawn_again(before, now)
    open_ = [n for n in used if n not in again and n not in now.boxes and roi(n).modality in drawn]
    sentences = [f"Outlines the nuclei on the {' and the '.join(drawn)} again."] if drawn else []
    sentences.append(_encoding_words(again, open_, used))
    if new["jitter"] and not old["jitter"]:
        sentences.append("Reads the ROIs in moved boxes too.")
    relabelled = any(old[name] != new[name] for name in ("swap_sides", "split_merged"))
    if relabelled or drawn or before.masks != now.masks or _other_volumes(before, now):
        sentences.append("Measures the nuclei again.")
    return " ".join(sentences)


def _encoding_words(again: list[str], unknown: list[str], used: list[str]) -> str:
    if unknown:
        also = f"Reads {_listed(again)} with the model again, and " if again else "Reads "
        with_it = "" if again else " with the model"
        return f"{also}{_listed(unknown)}{with_it} where the new outlines move the box."
    if not again:
        return "Reads no ROI with the model again."
    rest = "." if len(again) == len(used) else "; the other ROIs are kept."
    return f"Reads {_listed(again)} with the model again{rest}"


def _encoded_again(before: Fingerprint, now: Fingerprint) -> set[str]:
    """The ROIs that need tokens which the run of ``before`` did not compute."""
    old, new = json.loads(before.settings), json.loads(now.settings)
    # No fold named means all of them.
    more_folds = old["folds"] and (not new["folds"] or set(new["folds"]) - set(old["folds"]))
    mirrored = new["tta"] and not old["tta"]
    names = ("bundle", "precision", "swap_modalities")
    if more_folds or mirrored or any(old[name] != new[name] for name in names):
        return set(ROI_NAMES)
    other = set(_other_volumes(before, now)) & set(MODALITIES)
    first, second = before.place("QSM"), now.place("QSM")
    if first and second and first.moved(second):
        other.add("NM")  # it is brought onto the QSM's grid
    if new["swap_modalities"]:
        other = {"NM" if role == "QSM" else "QSM" for role in other}
    again = {name for name in ROI_NAMES if roi(name).modality in other}
    again |= {name for name, box in now.boxes.items() if before.boxes.get(name) != box}
    return again | set(old["masked"]) - set(new["masked"])


def _drawn_again(before: Fingerprint, now: Fingerprint) -> list[str]:
    """The modalities without a mask for which the outlines of ``before`` do not hold any more."""
    old, new = json.loads(before.settings), json.loads(now.settings)
    names = ("bundle", "exact_segmentation", "swap_modalities")
    other = any(old[name] != new[name] for name in names) or _other_volumes(before, now)
    return [
        name for name in MODALITIES if name not in now.masks and (other or name in before.masks)
    ]


def _other_volumes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """The roles whose voxels are others, or lie elsewhere."""
    found = []
    for role in (*MODALITIES, "T1"):
        old, new = before.place(role), now.place(role)
        if old is None or new is None:
            same = old is new
        else:
            same = old.voxels == new.voxels and not old.moved(new)
        if not same:
            found.append(role)
    return found


def _settings_words(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = [
        WORDS[name].format(_value(name, new[name]))
        for name in WORDS
        if old.get(name) != new.get(name)
    ]
    for name in ROI_NAMES:
        if (name in old["masked"]) != (name in new["masked"]):
            found.append(f"{name}: it is {'left out' if name in new['masked'] else 'used'} now.")
    return found


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if name in UNSET and not value and value != 0:
        return UNSET[name]
    if name == "margin_mm":
        return f"{value:g} mm"
    if name == "folds":
        return ", ".join(map(str, value))
    return Path(value).name  # a model may be named by its folder


def _volume_words(role: str, before: Fingerprint, now: Fingerprint) -> list[str]:
    old, new = before.place(role), now.place(role)
    if old is None or new is None:
        if old is new:
            return []
        return [f"The {role} volume was {'chosen' if old is None else 'taken away'}."]
    if old.voxels != new.voxels:
        return [f"The {role} volume changed."]
    if old.moved(new):
        return [f"The {role} volume lies elsewhere."]
    if old.phantom != new.phantom:
        what = "is marked" if new.phantom else "is not marked any more"
        return [f"The {role} {what} as a digital phantom."]
    return []


def _mask_words(modality: str, before: Fingerprint, now: Fingerprint) -> list[str]:
    old, new = before.masks.get(modality), now.masks.get(modality)
    if old == new:
        return []
    if old is None:
        return [f"A {modality} mask was chosen."]
    return [f"The {modality} mask was {'taken away' if new is None else 'edited'}."]


def _box_words(name: str, before: Fingerprint, now: Fingerprint) -> list[str]:
    old, new = before.boxes.get(name), now.boxes.get(name)
    if old is None or new is None or old == new:
        return []  # masks that were chosen or taken away are named already
    if old and new:
        return [f"{name}: its box moved."]
    return [f"{name}: its nuclei are {'there' if new else 'missing'} now."]


def _listed(names: list[str]) -> str:
    if len(names) == len(ROI_NAMES):
        return "all four ROIs"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
