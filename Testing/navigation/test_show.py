"""Pictures of a path: what is there, what was expected, and in words how one came there."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from PIL import Image
from pretraining_helpers import patients, tiny_config

from MRNLib.cli.pretraining import tell_seen
from MRNLib.errors import InputError
from MRNLib.navigation.exported import Trained
from MRNLib.navigation.journey import Journey, chosen_volume, edge_letters, imagine
from MRNLib.navigation.poses import PLANES
from MRNLib.navigation.show import action_words, strip, window, write_journey
from MRNLib.navigation.tokenizer import Tokenizer
from MRNLib.navigation.trajectories import KINDS
from MRNLib.navigation.world import World

CONFIG = tiny_config()


def journey(kind: str = "scroll", known: int = 2, length: int = 6) -> tuple[Journey, Trained]:
    torch.manual_seed(2)
    tokenizer = Tokenizer(CONFIG.encoder, CONFIG.images).eval()
    world = World(CONFIG, tokenizer.width).eval()
    torch.nn.init.normal_(world.dynamics.change.weight)
    trained = Trained(tokenizer, world, CONFIG, ("patient_0",))
    made = imagine(trained, patients(1)[0], kind=kind, length=length, known=known, seed=4)
    return made, trained


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_is_followed_to_its_end(kind):
    made, _ = journey(kind)
    assert len(made) == len(made.edges) == 6
    assert made.true.shape == made.predicted.shape == (6, 28, 28)
    assert made.actions.shape == (5, 7)
    assert made.title == f"patient_0 (NM), held out: {kind.replace('_', ' ')}"
    assert made.warning == "Digital patient."
    assert 0.6 < made.width_mm / (CONFIG.clips.size * CONFIG.clips.pixel_mm) < 1.5


@pytest.mark.parametrize(
    ("name", "phantom", "said"),
    [
        ("patient_0", True, ""),
        ("patient_1", True, "patient_1 (NM) was not held out: the model may have learned from it"),
        ("patient_0", False, "is of people, and the model has learned from digital patients"),
    ],
)
def test_a_volume_that_was_not_held_out_is_told(name, phantom, said, capsys):
    volume = dataclasses.replace(patients(1)[0], name=name, phantom=phantom)
    _, trained = journey()
    tell_seen(trained, volume)
    told = capsys.readouterr().out.strip()
    assert said in told if said else not told
    shown = imagine(trained, volume, kind="scroll", length=3, known=1, seed=4)
    assert ("held out" in shown.title) is (not said)


def test_only_the_known_slices_are_looked_at():
    made, trained = journey(known=2)
    tokenizer, world = trained.tokenizer, trained.world
    with torch.no_grad():
        latents = tokenizer.latents(made.true[None, :2])
        given = world.picture.frames(latents)[0].clamp(0, 1)
        third = world.dynamics(latents, made.actions[None, :2])[:, -1:]
        assert torch.allclose(made.predicted[:2], given, atol=1e-5)
        drawn = world.picture.frames(third)[0, 0].clamp(0, 1)
    assert torch.allclose(made.predicted[2], drawn, atol=1e-5)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ([0, 0, 3.21, 0, 0, 0, 0], "+3.2 mm"),
        ([0, 0, -1, 0, 0, 0, 0], "-1.0 mm"),
        ([3, 0, 4, 0, 0, 0, 0], "5.0 mm"),
        ([0, 0, 0, 0, math.radians(8), 0, 0], "8°"),
        ([0, 0, 0, 0, 0, 0, math.log(0.8)], "×1.25"),
        ([0, 0, 2, math.radians(3), 0, 0, math.log(2)], "+2.0 mm\n3°\n×0.50"),
        ([0] * 7, "stays"),
    ],
)
def test_actions_in_words(action, words):
    assert action_words(action) == words


def test_edges_are_the_patients():
    """Radiological display: the patient's right on the left of the screen."""
    found = {name: edge_letters(rotation) for name, rotation in PLANES.items()}
    assert found == {"axial": ("R", "A"), "coronal": ("R", "S"), "sagittal": ("A", "S")}


def test_grey_values_are_shown_in_the_tissues_own_window():
    made, _ = journey()
    grey = torch.zeros_like(made.true)  # half of it is air, which has no say
    grey[:, :14] = torch.linspace(0.4, 0.6, 14 * 28).unflatten(0, (14, 28))
    assert window(dataclasses.replace(made, true=grey)) == pytest.approx((0.401, 0.599), abs=1e-3)
    for useless in (torch.zeros_like(grey), torch.full_like(grey, 0.5)):
        assert window(dataclasses.replace(made, true=useless)) == (0.0, 1.0)


def test_files_are_a_strip_and_an_animation(tmp_path):
    made, _ = journey("random_walk", length=3)
    still, moving = write_journey(made, tmp_path / "shown")
    with Image.open(still) as image:
        assert image.width > 0.8 * image.height
    with Image.open(moving) as image:
        assert image.format == "GIF"
        assert image.n_frames == 3
    assert sorted(path.name for path in still.parent.iterdir()) == ["path.gif", "strip.png"]


@pytest.mark.parametrize("length", [2, 3, 8])
def test_nothing_that_a_strip_says_is_cut_off(length):
    figure = strip(journey(known=1, length=length)[0])
    for text in figure.texts:
        extent = text.get_window_extent()
        assert figure.bbox.x0 <= extent.x0, text
        assert extent.x1 <= figure.bbox.x1, text


def test_who_was_held_out_is_shown_first():
    volumes = patients()

    def chosen(patient: str | None = None, role: str | None = None) -> str:
        return str(chosen_volume(volumes, ["patient_2"], patient, role))

    assert chosen() == "patient_2 (NM)"
    assert chosen("patient_1") == "patient_1 (NM)"
    assert chosen(role="QSM") == "patient_0 (QSM)"
    with pytest.raises(InputError, match="patient patient_1 and role QSM"):
        chosen("patient_1", "QSM")
