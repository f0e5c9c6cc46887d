"""A bundle on disk: what it holds comes back, and what was tampered with is refused."""

from __future__ import annotations

import pickle

import pytest
import torch
from bad_inputs.bundles import DAMAGES, ENCODER
from safetensors.torch import load_file

from MRNLib.bundle import open_bundle
from MRNLib.bundle_export import update_bundle
from MRNLib.bundle_store import CARD
from MRNLib.errors import BundleError, InputError


def test_weights_come_back_in_half_precision(random_bundle):
    bundle = open_bundle(random_bundle)
    model = bundle.encoder(1)
    stored = load_file(random_bundle / ENCODER)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    state = model.state_dict()
    for key, tensor in stored.items():
        torch.testing.assert_close(state[key], tensor.float(), rtol=0, atol=0)
    assert not model.training


def test_head_is_stored_apart_from_the_encoder(random_bundle):
    bundle = open_bundle(random_bundle)
    assert all(key.startswith("classification_head.") for key in bundle.head(0))
    encoder = load_file(random_bundle / ENCODER)
    assert not any(key.startswith("classification_head.") for key in encoder)


def test_identity_changes_with_the_card(copy):
    before = open_bundle(copy)
    after = update_bundle(before, card="Another card.")
    assert before.sha256 != after.sha256
    assert after.card() == "Another card."


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damaged_bundle_is_refused_by_file(copy, damage):
    damage.spoil(copy)
    with pytest.raises(BundleError, match=damage.said) as caught:
        open_bundle(copy).encoder(1)
    assert str(copy / damage.file) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_a_folder_that_is_no_bundle_is_refused(tmp_path, place):
    with pytest.raises(BundleError, match="not a model bundle"):
        open_bundle(tmp_path / place)


def test_a_pickle_in_a_bundles_place_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(BundleError, match="not a model bundle"):
        open_bundle(path)


def test_an_unknown_fold_is_refused(random_bundle):
    with pytest.raises(BundleError, match="no fold 7"):
        open_bundle(random_bundle).head(7)


def test_a_bundle_is_not_written_over_something_else(tmp_path):
    from MRNLib.bundle_export import write_bundle

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("precious")
    with pytest.raises(InputError, match="not a bundle"):
        write_bundle(None, tmp_path / "thesis")  # type: ignore[arg-type]
    assert (tmp_path / "thesis" / "chapter1.txt").read_text(encoding="utf-8") == "precious"


def test_the_card_is_listed_in_the_manifest(random_bundle):
    assert CARD in open_bundle(random_bundle).manifest.files
