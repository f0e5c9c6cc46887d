"""What Training/pretrain_navigation.py says of its volumes, its patients and its results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from MRNLib.navigation.config import NavigationConfig
    from MRNLib.navigation.exported import Trained
    from MRNLib.navigation.preparing import Kept
    from MRNLib.navigation.training import Pretrained, Pretraining
    from MRNLib.navigation.volumes import Volume
    from MRNLib.progress import Progress

# Volumes that are named where there may be many.
NAMED = 5


def usable(
    volumes: list[Volume], config: NavigationConfig, progress: Progress, *, speaks: bool
) -> list[Volume]:
    """The volumes that show enough tissue; says which do not.

    Raises:
        InputError: They are not what the settings say (told before the long look), or none is left.
    """
    from MRNLib.navigation.training import check_origin
    from MRNLib.navigation.vetting import navigable

    check_origin(config.trained_on, volumes)
    kept, left_out = navigable(volumes, config.clips, progress)
    for line in left_out if speaks else ():
        print(f"left out: {line}", flush=True)
    return kept


def tell_kept(kept: Kept, source: Path, out: Path) -> None:
    """Says what was prepared, and what else lies there."""
    for line in kept.skipped:
        print(f"skipped: {line}")
    older = f" ({kept.replaced} older ones replaced)" if kept.replaced else ""
    print(
        f"{kept.volumes} volumes of {kept.patients} patients in {out}{older}, "
        f"{len(kept.skipped)} files skipped"
    )
    if kept.others:
        names = ", ".join(kept.others[:NAMED]) + (" ..." if len(kept.others) > NAMED else "")
        print(
            f"{out} holds {len(kept.others)} more volumes, not of {source}: {names}\n"
            "What to do: nothing if they are another source's; if their files are gone or renamed, "
            "or an earlier version made them, remove them: train takes all that is there"
        )


def tell_split(pretraining: Pretraining) -> None:
    """Says how the volumes' patients were understood and split."""
    learned, held = pretraining.learned_from, pretraining.held_out
    patients, out = (len({one.name for one in part}) for part in (learned, held))
    print(
        f"{len(learned) + len(held)} volumes of {patients + out} patients, {out} held out",
        flush=True,
    )
    if not held:
        print("nobody is held out, so no gap is measured: see held_out.share", flush=True)


def tell_seen(trained: Trained, volume: Volume) -> None:
    """Says where a model is shown a volume that is not of the patients held out."""
    from MRNLib.navigation.volumes import WHOSE

    if not trained.same_origin(volume):
        learned = WHOSE[not volume.phantom]
        print(f"{volume} is of {WHOSE[volume.phantom]}, and the model has learned from {learned}")
    elif not trained.unseen(volume):
        print(f"{volume} was not held out: the model may have learned from it")


def tell(pretrained: Pretrained) -> None:
    """Says what a pre-training has given, and where it is."""
    if pretrained.gap is not None:
        print(_gap_line(pretrained.gap))
    for file in (pretrained.tokenizer, pretrained.dynamics):
        if file is not None:
            print(f"written: {file}")


def _gap_line(gap: dict[str, Any]) -> str:
    """The held-out errors in words."""
    errors = " ".join(f"{name} {value:.4f}" for name, value in gap["errors"].items())
    interval = gap["interval"]
    range_ = f" [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else ""
    return (
        f"Error of the next slice's latents, patients held out: {gap['patients']} "
        f"({gap['trained_on']}): {errors}; "
        f"aligned minus shuffled {gap['aligned_minus_shuffled']:.4f}{range_}"
    )
