"""Which rows there are, what the paper prints in them, and that a cell trains what its row says."""

from __future__ import annotations

import pytest
from experiment_helpers import CONFIGS

from MRNLib.anatomy import MASKINGS
from MRNLib.errors import InputError
from MRNLib.experiments.cells import CELLS, FULL, ORACLES, SCALES, cell_config, check_extra, chosen
from MRNLib.experiments.tables import TABLES, needed, parse_tables
from MRNLib.training.config import load_config

NETWORKS = [cell for cell in CELLS.values() if cell.kind == "network"]


def config(key: str, scale: str = "paper", *extra: str):
    return cell_config(CELLS[key], SCALES[scale], CONFIGS, "human", extra)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("cell", NETWORKS, ids=lambda cell: cell.key)
def test_every_cell_has_settings_at_every_scale(cell, scale):
    found = cell_config(cell, SCALES[scale], CONFIGS, "phantom")
    train, loss, model = found.train, found.loss, found.model
    assert found.trained_on == "phantom"
    # Phase 1 has a loss exactly when it is there, and every row has the same phase 2.
    segments = getattr(model, "dpt", None) is not None
    assert (train.phase1_epochs > 0) == (segments or model.projector)
    assert segments == (loss.segmentation > 0)
    assert model.projector == (loss.contrastive > 0)
    system = cell_config(
        CELLS[FULL if cell.system == "mrn" else "seres10"], SCALES[scale], CONFIGS, "human"
    )
    if cell.system in ("mrn", "seres10-msupmoco"):
        assert train.phase2_epochs == system.train.phase2_epochs


@pytest.mark.parametrize(
    ("number", "rows"),
    [("2", 10), ("3", 7), ("4", 16), ("5", 5), ("6", 4), ("7", 3), ("8", 3), ("9", 5)],
)
def test_the_tables_have_the_papers_rows(number, rows):
    assert len(TABLES[number].rows) == rows


def test_table_2s_ticks_are_what_is_trained():
    for row in TABLES["2"].rows:
        model = config(row.cells[0]).model
        found = (True, model.ffa_blocks > 0, model.sfa_blocks > 0, model.dpt is not None)
        ticks = tuple(bool(label) for label in row.labels)
        assert (*found, model.projector) == ticks
        assert (model.ffa_blocks, model.sfa_blocks) == (3 * found[1], 2 * found[2])


def test_table_3s_depths_are_what_is_trained():
    for row in TABLES["3"].rows:
        model = config(row.cells[0]).model
        assert (str(model.ffa_blocks), str(model.sfa_blocks)) == row.labels


def test_table_4_is_the_full_model_masked_in_the_papers_order():
    rows = TABLES["4"].rows
    assert {row.cells for row in rows} == {(FULL,)}
    assert CELLS[FULL].masked
    assert [row.variant for row in rows] == ["+".join(masked) for masked in MASKINGS]
    assert (rows[1].paper.auc, rows[7].paper.auc, rows[-1].paper.auc) == (85.6, 84.9, 40.7)
    # NM, the first ROI, is crossed out in eight of the rows.
    assert sum(bool(row.labels[0]) for row in rows) == 8


@pytest.mark.parametrize(("number", "name"), [("5", "bank_capacity"), ("6", "temperature")])
def test_tables_5_and_6_vary_what_they_say(number, name):
    for row in TABLES[number].rows[1:]:
        loss = config(row.cells[0]).loss
        assert float(row.labels[0].split("=")[1]) == getattr(loss, name)
        other = {"5": loss.temperature == 0.07, "6": loss.bank_capacity == 1024}[number]
        assert other


def test_a_training_in_two_tables_has_one_figure_in_the_paper():
    figures: dict[tuple, set] = {}
    for table in TABLES.values():
        for row in table.rows:
            if row.paper is not None:
                figures.setdefault((row.cells, row.variant), set()).add(row.paper)
    assert all(len(found) == 1 for found in figures.values())
    assert len(figures[(("seres10-msupmoco-k1024",), "")]) == 1  # Table 5's last row, Table 6's .07


def test_tables_7_and_8_change_one_thing():
    full, small, wide = config(FULL), config("mrn-small"), config("mrn-global")
    assert small.model.backbone.name == "vit_small_patch14_reg4_dinov2"
    assert small.model.backbone.name.replace("small", "base") == full.model.backbone.name
    assert (full.model.dpt, wide.model.dpt) == ("local", "global")
    assert config("mrn-small", "tiny").model.backbone.embed_dim == 32
    assert config(FULL, "tiny").model.backbone.embed_dim == 64


def test_dinov2_alone_is_its_own_config_file():
    direct = load_config(CONFIGS / "dinov2-direct.yaml")
    found = config("mrn-d")
    for one in (direct.train, direct.model.backbone, direct.model.preprocess, direct.augment):
        assert one in (found.train, found.model.backbone, found.model.preprocess, found.augment)
    for name in ("ffa_blocks", "sfa_blocks", "dpt", "projector", "slice_embedding"):
        assert getattr(found.model, name) == getattr(direct.model, name)


def test_the_full_model_of_the_tiny_scale_has_the_papers_depths():
    for scale in ("tiny", "smoke"):
        model = config(FULL, scale).model
        assert (model.ffa_blocks, model.sfa_blocks, model.dpt) == (3, 2, "local")


def test_the_midbrain_cnn_leaves_each_fold_out_once():
    row = next(one for one in TABLES["systems"].rows if len(one.cells) > 1)
    assert [CELLS[key].fold for key in row.cells] == [0, 1, 2, 3, 4]


def test_a_users_setting_does_not_undo_what_makes_the_cell():
    extra = ("mrn:model.ffa_blocks=1", "mrn:train.seed=7", "mrn-small:train.seed=9")
    assert config(FULL, "tiny", *extra).model.ffa_blocks == 1
    assert config("mrn-d", "tiny", *extra).model.ffa_blocks == 0
    assert config("mrn-d", "tiny", *extra).train.seed == 7
    assert config("mrn-small", "tiny", *extra).train.seed == 9
    assert config("seres10", "tiny", *extra).train.seed == 1


def test_the_smaller_backbone_stays_smaller_under_a_users_width():
    extra = ("mrn:model.backbone.embed_dim=96", "mrn:model.backbone.num_heads=3")
    full, small = (config(key, "tiny", *extra).model.backbone for key in (FULL, "mrn-small"))
    assert (full.embed_dim, full.num_heads) == (96, 3)
    assert (small.embed_dim, small.num_heads) == (32, 2)
    own = config("mrn-small", "tiny", *extra, "mrn-small:model.backbone.embed_dim=48")
    assert own.model.backbone.embed_dim == 48


@pytest.mark.parametrize("text", ["mrn", "nothing:train.seed=1", "train.seed=1"])
def test_a_setting_for_nobody_is_refused(text):
    with pytest.raises(InputError, match="neither a system nor a cell"):
        check_extra([text])


def test_choosing_tables():
    assert [table.number for table in parse_tables("9, 2")] == ["2", "9"]
    assert len(parse_tables("all")) == 9
    assert needed(parse_tables("4"), oracles=False) == {FULL}
    assert needed(parse_tables("4"), oracles=True) == {FULL, ORACLES}
    assert needed(parse_tables("all"), oracles=True) == set(CELLS)
    assert [cell.key for cell in chosen(["seres10", FULL])] == [FULL, "seres10"]
    with pytest.raises(InputError, match="there is no table 1"):
        parse_tables("1,2")
    with pytest.raises(InputError, match="names no table"):
        parse_tables(",")
    with pytest.raises(InputError, match="no such cell: mrm"):
        chosen(["mrm"])
