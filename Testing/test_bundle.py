"""A bundle on disk: what it holds comes back, and what was tampered with is refused."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from MRNLib.bundle import open_bundle
from MRNLib.bundle_export import CARD, update_bundle
from MRNLib.errors import BundleError, InputError

ENCODER = "mrn/fold_1.encoder.safetensors"


@pytest.fixture
def copy(random_bundle, tmp_path):
    return shutil.copytree(random_bundle, tmp_path / "bundle")


def restamp(folder, name):
    """Makes the manifest agree with a changed file, as somebody who builds a bad bundle would."""
    import hashlib

    manifest = json.loads((folder / "manifest.json").read_text())
    data = (folder / name).read_bytes()
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


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


def damage_hash(folder):
    data = bytearray((folder / ENCODER).read_bytes())
    data[-1] ^= 1
    (folder / ENCODER).write_bytes(bytes(data))


def damage_missing(folder):
    (folder / ENCODER).unlink()


def damage_pickle(folder):
    (folder / ENCODER).write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    restamp(folder, ENCODER)


def changed_tensors(change):
    def damage(folder):
        state = load_file(folder / ENCODER)
        change(state)
        save_file(state, folder / ENCODER)
        restamp(folder, ENCODER)

    return damage


def _rename(state):
    key = next(iter(state))
    state["res.foreign"] = state.pop(key)


def _reshape(state):
    key = next(key for key, value in state.items() if value.ndim == 2)
    state[key] = state[key].T.contiguous()[:-1]


def _poison(state):
    next(iter(state.values())).view(-1)[0] = float("nan")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_hash, "SHA-256 differs"),
        (damage_missing, "cannot be read"),
        (damage_pickle, "not a safetensors file"),
        (changed_tensors(_rename), "do not fit the model"),
        (changed_tensors(_reshape), "do not fit the model"),
        (changed_tensors(_poison), "NaN"),
    ],
)
def test_a_damaged_file_is_refused_by_name(copy, damage, said):
    damage(copy)
    with pytest.raises(BundleError, match=said) as caught:
        open_bundle(copy).encoder(1)
    assert "fold_1.encoder.safetensors" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_an_unknown_key_in_the_manifest_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["surprise"] = 1
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="surprise"):
        open_bundle(copy)


def test_a_head_with_other_tensors_is_refused(copy):
    name = "mrn/fold_1.head.safetensors"
    state = load_file(copy / name)
    state["classification_head.foreign"] = state.pop("classification_head.output.bias")
    save_file(state, copy / name)
    restamp(copy, name)
    with pytest.raises(BundleError, match="no classification head"):
        open_bundle(copy).head(1)


def _without_folds(manifest):
    manifest["folds"] = []


def _with_a_foreign_fold(manifest):
    manifest["folds"] = [0, 5]


def _without_a_shape(manifest):
    del manifest["absent_roi_shapes"]["QSM3"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_folds, "there has to be a fold"),
        (_with_a_foreign_fold, "fold 5 is listed without"),
        (_without_a_shape, "absent QSM3"),
    ],
)
def test_an_incomplete_manifest_is_refused(copy, change, said):
    manifest = json.loads((copy / "manifest.json").read_text())
    change(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=said):
        open_bundle(copy)


def test_an_unknown_setting_of_the_model_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["model"]["backbone"]["surprise"] = 1
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="surprise"):
        open_bundle(copy)


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
    assert (tmp_path / "thesis" / "chapter1.txt").read_text() == "precious"


def test_the_card_is_listed_in_the_manifest(random_bundle):
    assert CARD in open_bundle(random_bundle).manifest.files
