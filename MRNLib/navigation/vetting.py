"""Volumes that slices can be cut from, sorted out before hours of training rely on them.

Whether a volume shows enough tissue depends on how large slices are, which only a training knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from MRNLib.errors import InputError
from MRNLib.navigation.clips import ClipSettings, KindShares, make_clips, static_clips
from MRNLib.navigation.volumes import Volume
from MRNLib.progress import Progress, silent

# A volume has to show a clip of each kind in this share of the tries that a training gives it. One
# success says little of the next clip: a training that runs out of tries draws another volume.
SHARE_OF_TRIES = 0.2


def of_one_kind(settings: ClipSettings, kind: str, **changes: Any) -> ClipSettings:
    """Clips of one kind of path alone, with other values of other settings."""
    none = dict.fromkeys(KindShares.model_fields, 0.0)
    return settings.model_copy(update={"kinds": KindShares(**{**none, kind: 1.0}), **changes})


def navigable(
    volumes: Sequence[Volume], settings: ClipSettings, progress: Progress = silent
) -> tuple[list[Volume], list[str]]:
    """The volumes that show enough tissue along every kind of path, the static one's too.

    All arms of a comparison get the same volumes. A volume is kept that shows one clip of each kind
    within a share of the tries (``SHARE_OF_TRIES``).

    Args:
        volumes: Prepared ones.
        settings: What the clips look like.
        progress: Called before each volume; may raise ``Cancelled``.

    Returns:
        The volumes, and a line for each that is left out.

    Raises:
        InputError: There is none left.
    """
    tries = max(1, round(SHARE_OF_TRIES * settings.tries))
    kinds = [kind for kind, share in settings.kinds.model_dump().items() if share > 0]
    kept: list[Volume] = []
    left_out: list[str] = []
    for number, volume in enumerate(volumes):
        progress(number / len(volumes), f"looking at {volume.name}")
        try:
            for kind in kinds:
                make_clips([volume], of_one_kind(settings, kind, tries=tries), [number], draws=1)
            few = settings.model_copy(update={"tries": tries})
            static_clips([volume], few, [number], draws=1)
        except InputError as error:
            of = f"{tries} of clips.tries {settings.tries} are looked at before a training"
            left_out.append(f"{error.found} ({of})")
        else:
            kept.append(volume)
    if not kept:
        raise InputError(
            f"none of {len(volumes)} volumes can be used, the first: {left_out[0]}",
            remedy="lower clips.least_foreground or clips.pixel_mm",
        )
    return kept, left_out
