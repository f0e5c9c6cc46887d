"""What a segmenter folder may hold, and that nothing else is loaded."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from MRNLib.errors import BundleError
from MRNLib.nnunet.stored import unique_tensors
from MRNLib.segmentation import Segmenter, import_nnunet_results

WEIGHTS = "fold_0.safetensors"


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def edit_json(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content))


def configuration(plans):
    return plans["configurations"]["3d_fullres"]


def rename(folder):
    state = load_file(folder / WEIGHTS)
    state["stranger"] = state.pop(sorted(state)[0])
    save_file(state, folder / WEIGHTS)


def reshape(folder):
    state = load_file(folder / WEIGHTS)
    name = next(name for name, value in state.items() if value.shape[-1] == 3)
    state[name] = state[name][..., :1].contiguous()
    save_file(state, folder / WEIGHTS)


def poison(folder):
    state = load_file(folder / WEIGHTS)
    name = sorted(state)[0]
    state[name].view(-1)[0] = float("nan")
    save_file(state, folder / WEIGHTS)


def to_integers(folder):
    state = load_file(folder / WEIGHTS)
    name = sorted(state)[0]
    save_file(state | {name: state[name].int()}, folder / WEIGHTS)


def to_pickle(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Evil(folder / "harm")))


def foreign_network(folder):
    def change(plans):
        configuration(plans)["architecture"]["network_class_name"] = "subprocess.Popen"

    edit_json(folder / "plans.json", change)


def foreign_layer(folder):
    def change(plans):
        configuration(plans)["architecture"]["arch_kwargs"]["nonlin"] = "os.system"

    edit_json(folder / "plans.json", change)


def foreign_resampling(folder):
    edit_json(
        folder / "plans.json", lambda plans: configuration(plans).update(resampling_fn_data="os")
    )


def no_network(folder):
    edit_json(folder / "plans.json", lambda plans: configuration(plans).pop("architecture"))


def wrong_arguments(folder):
    def change(plans):
        configuration(plans)["architecture"]["arch_kwargs"]["n_stages"] = 3

    edit_json(folder / "plans.json", change)


def no_json(folder):
    (folder / "dataset.json").write_text("not JSON")


def regions(folder):
    edit_json(folder / "dataset.json", lambda data: data.update(labels={"background": 0, "a": [1]}))


def settings(folder):
    (folder / "settings.json").write_text('{"folds": 1}')


def no_weights(folder):
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        rename,
        reshape,
        poison,
        to_integers,
        to_pickle,
        foreign_network,
        foreign_layer,
        foreign_resampling,
        no_network,
        wrong_arguments,
        no_json,
        regions,
        settings,
        no_weights,
    ],
)
def test_bad_segmenter_is_refused_with_one_clear_error(damaged, spoil):
    spoil(damaged)
    with pytest.raises(BundleError) as raised:
        Segmenter.from_bundle(damaged)
    text = str(raised.value)
    assert str(damaged) in text
    assert len(text.splitlines()) <= 3
    assert not (damaged / "harm").exists()


def test_import_keeps_each_tensor_once_and_half_the_size(trained):
    half = load_file(trained.segmenter.parent / "out" / "segmenter_nm" / WEIGHTS)
    full = load_file(trained.segmenter / WEIGHTS)
    assert {value.dtype for value in half.values()} == {torch.float16}
    assert {value.dtype for value in full.values()} == {torch.float32}
    assert half.keys() == full.keys()
    segmenter = Segmenter.from_bundle(trained.segmenter)
    assert full.keys() == unique_tensors(segmenter._stored.network).keys()
    assert segmenter.channels == ("NM",)


def test_import_refuses_a_checkpoint_with_code_in_it(trained, tmp_path):
    results = shutil.copytree(trained.results, tmp_path / "results")
    target = results / "fold_0" / "checkpoint_final.pth"
    content = torch.load(target, weights_only=False)
    torch.save(content | {"extra": Evil(tmp_path / "harm")}, target)
    with pytest.raises(BundleError, match="not read"):
        import_nnunet_results(results, tmp_path / "out")
    assert not (tmp_path / "harm").exists()
    assert not (tmp_path / "out").exists()


def test_import_refuses_foreign_classes_and_unfinished_trainings(trained, tmp_path):
    results = shutil.copytree(trained.results, tmp_path / "results")
    foreign_network(results)
    with pytest.raises(BundleError, match=r"subprocess\.Popen"):
        import_nnunet_results(results, tmp_path / "out")
    (results / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(BundleError, match="checkpoint_final"):
        import_nnunet_results(results, tmp_path / "out")
    assert not (tmp_path / "out").exists()
