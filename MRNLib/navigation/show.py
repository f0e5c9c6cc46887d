"""What a pre-trained model expects to see along a path, beside what is there: to look at.

The first slices of a path are given; each further one is predicted from the predictions before it
and the action, and drawn by the picture that has learned beside the dynamics.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from MRNLib.errors import InputError
from MRNLib.navigation.clips import make_clips
from MRNLib.navigation.exported import Trained
from MRNLib.navigation.poses import LOG_SCALE, ROTATION, TRANSLATION
from MRNLib.navigation.vetting import of_one_kind
from MRNLib.navigation.volumes import Volume
from MRNLib.training.checkpoint import written_or_told
from MRNLib.writing import replaced

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = ("true", "predicted", "difference")
# The patient's sides at the upper and the lower end of each axis of the world.
DIRECTIONS = ("LR", "PA", "SI")
# Grey values of a difference at which its colour is full.
FULL_DIFFERENCE = 0.4
TILE, LEFT, HEAD, FOOT, GAP = 1.15, 0.85, 0.75, 0.45, 0.04  # inches
FRAME_MILLISECONDS = 600


@dataclass(frozen=True)
class Journey:
    """A path through a volume, seen and imagined.

    Attributes:
        title: Whose slices along what path.
        warning: Said in colour where the volume is no person's; None otherwise.
        known: Slices that were given.
        actions: ``[T - 1, 7]``.
        edges: What lies beyond each slice's left and upper edge, such as ``("R", "A")``.
        true: ``[T, S, S]`` in [0, 1].
        predicted: ``[T, S, S]``: the given slices drawn from their own latents, the others from
            predicted ones.
    """

    title: str
    warning: str | None
    known: int
    actions: Tensor
    edges: tuple[tuple[str, str], ...]
    true: Tensor
    predicted: Tensor

    def __len__(self) -> int:
        return len(self.true)


def chosen_volume(
    volumes: Sequence[Volume], unseen: Collection[str], patient: str | None, role: str | None
) -> Volume:
    """The volume to go through.

    Args:
        volumes: To choose from.
        unseen: Patients who were held out of the pre-training.
        patient: Whose; None for the first of the unseen, or the first if nobody of these is.
        role: Of which kind; None for the first.

    Raises:
        InputError: There is no such volume.
    """
    found = [one for one in volumes if role in (None, one.role) and patient in (None, one.name)]
    if not found:
        wanted = " and ".join(
            f"{name} {value}" for name, value in (("patient", patient), ("role", role)) if value
        )
        raise InputError(
            f"none of {len(volumes)} volumes is of {wanted}",
            expected=f"such as {volumes[0].name}, {volumes[0].role}",
        )
    return min(found, key=lambda one: one.name not in unseen)


@torch.no_grad()
def imagine(
    trained: Trained, volume: Volume, *, kind: str, length: int, known: int, seed: int
) -> Journey:
    """Follows a path through a volume with open eyes and with closed ones.

    Args:
        trained: The model.
        volume: Where to go.
        kind: Of the path: ``scroll``, ``tilt``, ``plane_switch``, ``zoom`` or ``random_walk``.
        length: Slices.
        known: How many of the first are given; at least one.
        seed: Of the path.

    Raises:
        InputError: The volume shows too little tissue along any path tried.
    """
    tokenizer, world, config = trained.tokenizer, trained.world, trained.config
    clips = of_one_kind(config.clips, kind, length=length)
    device = next(world.parameters()).device
    made = make_clips([volume], clips, [seed], device)
    latents = tokenizer.latents(made.frames[:, :known]).float()
    following = world.dynamics.rollout(
        latents, made.actions, length - known, window=config.clips.length - 1
    )
    drawn = world.picture.frames(torch.cat([latents, following], dim=1))
    path = kind.replace("_", " ")
    return Journey(
        title=f"{volume}{', held out' if volume.name in trained.held_out else ''}: {path}",
        warning="Digital patient." if volume.phantom else None,
        known=known,
        actions=made.actions[0].cpu(),
        edges=tuple(edge_letters(one) for one in made.poses.rotation[0]),
        true=made.frames[0].cpu(),
        predicted=drawn[0].clamp(0, 1).float().cpu(),
    )


def edge_letters(rotation: Tensor) -> tuple[str, str]:
    """The sides of the patient that a slice's left and upper edge are turned to.

    Args:
        rotation: ``[3, 3]``, as :class:`~MRNLib.navigation.poses.Poses` has it.
    """
    return _letter(-rotation[:, 0]), _letter(-rotation[:, 1])


def _letter(direction: Tensor) -> str:
    axis = int(direction.abs().argmax())
    return DIRECTIONS[axis][int(direction[axis] < 0)]


def action_words(action: Sequence[float]) -> str:
    """An action ``[7]`` (mm, radians, log-scale) in a few words, such as ``+3.2 mm`` or ``8°``."""
    values = torch.as_tensor(action, dtype=torch.float64)
    across, along = values[TRANSLATION][:2].norm().item(), values[TRANSLATION][2].item()
    turn = math.degrees(values[ROTATION].norm().item())
    zoom = math.exp(-values[LOG_SCALE].item())
    words = []
    if across >= 0.05:
        words.append(f"{math.hypot(across, along):.1f} mm")
    elif abs(along) >= 0.05:
        words.append(f"{along:+.1f} mm")
    if turn >= 0.5:
        words.append(f"{turn:.0f}°")
    if abs(zoom - 1) >= 0.005:
        words.append(f"×{zoom:.2f}")
    return "\n".join(words) or "stays"


def strip(journey: Journey) -> Figure:
    """All slices of a journey: true above predicted above their difference, actions on top."""
    from MRNLib.figures import INK, MUTED, new_figure

    columns = len(journey)
    width = LEFT + columns * (TILE + GAP)
    height = HEAD + len(ROWS) * (TILE + GAP) + FOOT
    figure = new_figure(width, height, journey.warning)
    figure.text(0.1 / width, 1 - 0.08 / height, journey.title, va="top", color=INK, fontsize=10)
    for row, name in enumerate(ROWS):
        bottom = FOOT + (len(ROWS) - 1 - row) * (TILE + GAP)
        middle = (bottom + TILE / 2) / height
        figure.text(0.1 / width, middle, name, va="center", color=INK, fontsize=9)
        for column in range(columns):
            left = LEFT + column * (TILE + GAP)
            axes = figure.add_axes((left / width, bottom / height, TILE / width, TILE / height))
            _draw(axes, journey, name, column)
            if row == 0:
                words = _leading_words(journey, column)
                axes.set_title(words, fontsize=7, color=MUTED, pad=2)
    return figure


def animation(journey: Journey) -> list[Figure]:
    """One figure a slice: true, predicted, difference, and the action that led there."""
    from MRNLib.figures import INK, MUTED, new_figure

    tile, gap, foot, head = 2.3, 0.06, 0.4, 0.75
    width, height = len(ROWS) * (tile + gap) + gap, foot + tile + head
    figures = []
    for column in range(len(journey)):
        figure = new_figure(width, height, journey.warning)
        words = _leading_words(journey, column).replace("\n", ", ")
        said = f"{column + 1}/{len(journey)}: {words}"
        figure.text(0.1 / width, 1 - 0.08 / height, journey.title, va="top", color=INK, fontsize=9)
        figure.text(0.1 / width, 1 - 0.3 / height, said, va="top", color=MUTED, fontsize=9)
        for place, name in enumerate(ROWS):
            left = gap + place * (tile + gap)
            axes = figure.add_axes((left / width, foot / height, tile / width, tile / height))
            _draw(axes, journey, name, column)
            axes.set_title(name, fontsize=8, color=INK, pad=2)
        figures.append(figure)
    return figures


def write_journey(journey: Journey, folder: Path) -> list[Path]:
    """Writes ``strip.png`` and ``path.gif``; returns their paths.

    Raises:
        InputError: A file cannot be written.
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    still, moving = folder / "strip.png", folder / "path.gif"
    with written_or_told(still), replaced(still) as partial:
        strip(journey).savefig(partial)
    pages = []
    for figure in animation(journey):
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        pages.append(Image.open(stream).convert("P", palette=Image.Palette.ADAPTIVE))
    with written_or_told(moving), replaced(moving) as partial:
        pages[0].save(
            partial, save_all=True, append_images=pages[1:], duration=FRAME_MILLISECONDS, loop=0
        )
    return [still, moving]


def _leading_words(journey: Journey, column: int) -> str:
    """What was done to come to a slice."""
    words = action_words(journey.actions[column - 1].tolist()) if column else "start"
    return f"{words}\n(given)" if column < journey.known else words


def _draw(axes: Axes, journey: Journey, row: str, column: int) -> None:
    from MRNLib.figures import MARK_COLOR

    axes.axis("off")
    true, predicted = journey.true[column], journey.predicted[column]
    if row == "difference":
        shown = (predicted - true).numpy()
        axes.imshow(shown, cmap="RdBu_r", vmin=-FULL_DIFFERENCE, vmax=FULL_DIFFERENCE)
        return
    axes.imshow((true if row == "true" else predicted).numpy(), cmap="gray", vmin=0, vmax=1)
    if row == "true":
        left, up = journey.edges[column]
        style: dict[str, Any] = {"color": MARK_COLOR, "fontsize": 6, "transform": axes.transAxes}
        axes.text(0.02, 0.5, left, va="center", ha="left", **style)
        axes.text(0.5, 0.98, up, va="top", ha="center", **style)
