"""What a reader of the tables is told before them: of what data, with what recipe, how to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MRNLib.experiments.layout import Row, Table
from MRNLib.experiments.measuring import Measurer
from MRNLib.experiments.recipes import Departure
from MRNLib.markdown import table as markdown_table

RANDOM = "random weights"


@dataclass(frozen=True)
class Facts:
    """What the page says about the experiment.

    Attributes:
        data: ``phantom`` or ``human``.
        command: What made it.
        scale: ``smoke``, ``tiny`` or ``paper``.
        training: Patients in the training folder, of whom a fold is left out.
        evaluation: Patients evaluated on.
        notes: Markdown that somebody wrote about this run, or empty.
        departures: Where the settings are not the paper-scale files'.
    """

    data: str
    command: str
    scale: str
    training: int
    evaluation: int
    notes: str = ""
    departures: tuple[Departure, ...] = ()


def preface(tables: Sequence[Table], measurer: Measurer, facts: Facts) -> list[list[str]]:
    """The page's first sections, each as lines; some may be empty.

    Args:
        tables: The tables that follow.
        measurer: Gives their figures.
        facts: About the experiment.
    """
    return [_opening(facts), _weights_section(tables, measurer), _recipe(facts), _reading(facts)]


def _opening(facts: Facts) -> list[str]:
    if facts.data == "phantom":
        lines = ["# The paper's tables, measured on phantoms", ""]
        lines += [
            "**Phantom.** Every figure of ours on this page was measured on digital patients. It "
            "says how the method works on images that a generator made, and nothing about people. "
            "The paper's figures were measured on 100 patients of the challenge; they stand beside "
            "ours to be looked at, not to be compared with.",
            "",
        ]
    else:
        lines = ["# The paper's tables, measured again", ""]
    lines += [
        f"Scale `{facts.scale}`: {facts.training} patients to train on, of whom the first of five "
        f"folds is left out, and {facts.evaluation} that no training saw, on whom everything is "
        "measured. Made by",
        "",
        "```",
        facts.command,
        "```",
    ]
    return lines


def _weights_section(tables: Sequence[Table], measurer: Measurer) -> list[str]:
    """What rows without published weights leave untested."""
    if not any(marked_weights(row, measurer) == RANDOM for table in tables for row in table.rows):
        return []
    return [
        f'**Rows marked "{RANDOM}"** were trained from a random start where the paper starts from '
        "published weights (DINOv2's, M3D-CLIP's). What makes the paper's case stays untested in "
        "them: that a network trained on natural images carries over to a few hundred MR scans, "
        "that fine-tuning it directly collapses while MRN does not (Tables 2 and 9), that a 3-D "
        "model of other images carries over less, and that a larger backbone carries over better "
        "(Table 7). They test that the method, its losses and its parts work and what they add to "
        "a network without prior knowledge."
    ]


def _reading(facts: Facts) -> list[str]:
    lines = [
        f"Figures are percentages; 95 % bootstrap intervals over the {facts.evaluation} patients, "
        "drawn within each class, in brackets; decisions at a probability of .5. An interval of "
        "the ECE lies mostly above its value, because noise adds to it. *p* is DeLong's test of "
        "the row's AUC against the full model's on the same patients, not corrected for the number "
        "of rows. Every row is one training with one seed: neither interval nor *p* holds the "
        "spread between trainings.",
        "",
        "At evaluation the boxes of all systems come from the true masks (those of the data), so "
        "that no figure holds a segmentation's errors. SERes10 and SERes10-mSupMoCo also see the "
        "true masks of the nuclei as channels, the mask-enhanced input of the paper's baseline, "
        "and radiomics measures inside them; MRN, in all variants, and M3D-CLIP see the boxes "
        "alone, the midbrain CNN a square around the midbrain.",
    ]
    if facts.data == "phantom":
        lines += [
            "",
            "The image oracle reads measurements inside the true masks (logistic regression). "
            "Unlike networks and radiomics, which learn from the training patients, it learns from "
            "the evaluation patients, cross-validated in five folds of them; its AUC is of the "
            "pooled scores of the five fits. The latent oracle knows the state from which the "
            "images were made: no classifier can expect to be above it.",
        ]
    return lines


def _recipe(facts: Facts) -> list[str]:
    """Every setting of a base file that is not the paper-scale file's, folded away."""
    if not facts.departures:
        return []
    rows = [
        [f"`{one.setting}`", one.here, one.paper, ", ".join(one.systems)]
        for one in facts.departures
    ]
    return [
        "**Not the paper's recipe**: sizes, epochs, losses and more differ from the files of scale "
        "`paper`, which follow the paper where it speaks. A row's own settings come on top; `null` "
        "is the named backbone's own.",
        "",
        "<details>",
        f"<summary>All {len(rows)} that differ</summary>",
        "",
        *markdown_table(["setting", "here", "scale paper", "of"], rows),
        "",
        "</details>",
    ]


def marked_weights(row: Row, measurer: Measurer) -> str:
    """:data:`RANDOM` for a row without the published weights that it has in the paper."""
    if measurer.why_missing(row):
        return ""
    return RANDOM if measurer.scored(row).weights == "random" else ""
