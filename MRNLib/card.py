"""The model card of a bundle trained on digital patients: figures from records, then the words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MRNLib.anatomy import NOT_ATYPICAL, NOTICE, NUCLEI, SIDES
from MRNLib.bootstrap import Bootstrap
from MRNLib.bundle import Bundle
from MRNLib.evaluation import fold_mean
from MRNLib.manifest import Manifest
from MRNLib.markdown import INTERVALS, Figure, figure_table, figure_text, table
from MRNLib.metrics import classification_metrics

Record = dict[str, Any]


def cross_validated_scores(features: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Logistic regression's probability for each patient, from folds without that patient."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    return cross_val_predict(model, features, labels, cv=folds, method="predict_proba")[:, 1]


def classification_rows(
    bundle: Bundle, records: Sequence[Record], draws: int = 1000
) -> dict[str, dict[str, Figure]]:
    """Figures with intervals, by system and measure.

    Systems: MRN with boxes from true masks, MRN with boxes from the bundle's own masks, the two
    oracles on the same patients, and the two leakage controls. Intervals come from ``draws``
    bootstrap draws.
    """
    temperature = bundle.manifest.calibration.temperature
    everyone = Bootstrap([record["pd"] for record in records], draws=draws)
    whole = list(classification_metrics())
    features = np.array([list(record["measurements"].values()) for record in records])
    of_features = cross_validated_scores(features, everyone.labels)
    blanked = fold_mean(records, "margins_blanked", temperature)
    rows = {
        f"MRN, boxes from true masks (n={len(records)})": everyone.figures(
            whole, fold_mean(records, "margins", temperature)
        ),
        f"Image oracle, cross-validated (n={len(records)})": everyone.figures(whole, of_features),
        f"Latent oracle (n={len(records)})": everyone.figures(whole, _latent(records)),
        "Leakage: MRN on crops with the nuclei blanked": everyone.figures(["auc"], blanked),
    }
    outlined = [record for record in records if "margins_predicted" in record]
    if not outlined:
        return rows
    them = Bootstrap([record["pd"] for record in outlined], draws=draws)
    sizes = np.array([list(record["volumes"].values()) for record in outlined])
    of_sizes = cross_validated_scores(sizes, them.labels)
    here = f"(n={len(outlined)})"
    chosen = [place for place, record in enumerate(records) if "margins_predicted" in record]
    own = fold_mean(outlined, "margins_predicted", temperature)
    same = {
        f"MRN, boxes from its own masks {here}": them.figures(whole, own),
        f"MRN, boxes from true masks, the same patients {here}": them.figures(
            whole, fold_mean(outlined, "margins", temperature)
        ),
        f"Image oracle, the same patients {here}": them.figures(whole, of_features[chosen]),
    }
    return {
        **same,
        **rows,
        "Leakage: volumes of predicted masks, cross-validated": them.figures(["auc"], of_sizes),
    }


def _latent(records: Sequence[Record]) -> NDArray[np.float64]:
    from MRNLib.phantom import latent_oracle, sample_truth

    truths = [sample_truth(record["seed"]) for record in records]
    return np.asarray(latent_oracle(truths), float)


def dice_rows(records: Sequence[Record]) -> dict[str, Figure]:
    """Mean Dice per nucleus (both sides) with a bootstrap interval over patients."""
    outlined = [record["dice"] for record in records if "dice" in record]
    rng = np.random.default_rng(0)
    rows: dict[str, Figure] = {}
    for item in NUCLEI:
        values = np.array([[row[f"{item.key} {s}"] for s in SIDES] for row in outlined]).mean(
            axis=1
        )
        draws = rng.choice(values, (1000, len(values))).mean(axis=1)
        low, high = np.percentile(draws, [2.5, 97.5])
        rows[item.key] = (float(values.mean()), float(low), float(high))
    return rows


def card(bundle: Bundle, records: Sequence[Record], command: str, draws: int = 1000) -> str:
    """The model card with the figures on held-out phantoms, Markdown."""
    rows = classification_rows(bundle, records, draws)
    lines = [
        *_head(bundle.manifest),
        f"## Classification on {len(records)} held-out phantoms",
        "",
        INTERVALS,
        "",
        *figure_table(rows, list(next(iter(rows.values())))),
    ]
    outlined = sum("dice" in record for record in records)
    if outlined:
        overlap = dice_rows(records)
        mean = np.mean([value for value, _, _ in overlap.values()])
        cells = [[key, figure_text(figure)] for key, figure in overlap.items()]
        lines += [
            "",
            f"## Segmentation on {outlined} of them",
            "",
            *table(["nucleus", "Dice"], [*cells, ["mean", f"{mean:.3f}"]]),
        ]
    lines += ["", *_training(bundle.manifest), f"Made by `{command}`.", ""]
    return "\n".join(lines)


def export_card(bundle: Bundle, command: str) -> str:
    """The card of a bundle that was not evaluated beyond its own training, Markdown."""
    lines = [*_head(bundle.manifest), *_training(bundle.manifest), f"Made by `{command}`.", ""]
    return "\n".join(lines)


def _head(manifest: Manifest) -> list[str]:
    """What the bundle is."""
    return [
        f"# {manifest.name} {manifest.version}",
        "",
        f"**{NOTICE}** {NOT_ATYPICAL}",
        "",
        manifest.summary,
        "",
        f"- Trained on: **{manifest.trained_on}**. On an input that is not marked as a phantom the "
        "decision is `none (demonstration model)`: its number has no meaning for a patient."
        if manifest.trained_on == "phantom"
        else f"- Trained on: **{manifest.trained_on}**.",
        f"- Method: MRN (arXiv 2509.17566), {len(manifest.folds)} folds averaged, "
        f"{_size(manifest)}; nuclei by two nnU-Net v2 models.",
        f"- Calibration: temperature {manifest.calibration.temperature:.2f}; undecided between "
        f"{manifest.calibration.abstain_low:.2f} and {manifest.calibration.abstain_high:.2f}; "
        f"{manifest.calibration.source}.",
        "- A probability here assumes that half of all patients have Parkinson's disease.",
        "",
    ]


def _training(manifest: Manifest) -> list[str]:
    """How it was trained, and its figures on patients that its folds had not seen."""
    facts = manifest.training
    if facts is None:
        return []
    of = ", train and validation merged" if facts.merged else ""
    whom = (
        f"the {facts.measured} patients by the fold that was not trained on them"
        if facts.source == "out of fold"
        else f"{facts.measured} validation patients, all folds averaged"
    )
    fitted = (
        "One fold's word on each patient: the bundle, which averages all folds, is not measured "
        "by it. "
        if facts.source == "out of fold"
        else ""
    )
    return [
        "## Training",
        "",
        f"- {facts.patients} patients ({facts.hc} HC, {facts.pd} PD){of}, dealt to {facts.split} "
        f"folds with seed {facts.seed}; {len(manifest.folds)} of them are in this bundle.",
        f"- Below: {whom}, with boxes from the masks of the training data. {fitted}The temperature "
        "was fitted on the same patients, which flatters Brier score and ECE a little.",
        "",
        INTERVALS,
        "",
        *figure_table({whom: facts.figures}, list(facts.figures)),
        "",
    ]


def _size(manifest: Manifest) -> str:
    """The network in half a sentence."""
    model = manifest.model
    return (
        f"width {model.backbone.embed_dim}, {model.ffa_blocks} FFA and {model.sfa_blocks} SFA "
        f"blocks, ROIs at {model.preprocess.roi_size} pixels"
    )
