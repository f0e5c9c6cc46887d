"""The words of the experiment's page: what was measured, how, and how to read it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from MRNLib.markdown import table
from MRNLib.navigation.measuring.labelstatistics import LabelResults
from MRNLib.navigation.measuring.proberows import CONTEXT, TOKENIZER, TOLD
from MRNLib.navigation.measuring.probestatistics import Rows
from MRNLib.navigation.measuring.probing import ProbeSettings

WHAT_ARMS_ARE = (
    "**The arms.** **Aligned** is slice navigation: masked reconstruction of slices along random "
    "paths, then dynamics that predict the next slice from the actions. **Shuffled** and "
    "**zeroed** are the same with the actions of another clip, or with none. **Tokenizer only** "
    "goes on with reconstruction where these learn dynamics. **Static volumes** is "
    "reconstruction alone, of neighbouring axial slices."
)
SHARED = (
    "**How to read slice navigation here.** The second stage freezes the encoder: the arms "
    "aligned, shuffled and zeroed of a seed have one encoder between them, and one row of "
    "tokenizer features. That row, **slice navigation**, is an encoder taught as **tokenizer "
    "only** was, but for the first stage's steps alone: the other arm goes on with masked "
    "reconstruction of the frames that the dynamics learn from. What the dynamics have learned "
    "is in no encoder; only the context features show it."
)
ILLUSTRATION = (
    " **With one seed this is an illustration, not a comparison**: another seed may turn it round."
)

GAP_WITHIN = (
    "**Does a model use its actions?** The error of one model told each clip's own actions less "
    "its error told another clip's: below 0 it uses them. That holds what true actions win and "
    "also what false ones spoil for a model that trusts its actions, and is no measure of what is "
    "won."
)
GAP_BETWEEN = (
    "**What are true actions worth?** The aligned arm's error, told true actions, less that of an "
    "arm that has learned without any (zeroed, told none) or with false ones (shuffled, told "
    "false ones): each is told what it was trained on. And less the error of saying that the next "
    "slice looks like this one. Below 0: the predictions are that much better. The same patients "
    "and clips, equal seeds paired; a seed whose two arms have met other clips or another encoder "
    "is left out."
)


def opening(data: str, pretrained: Set[str], command: str) -> list[str]:
    """Title, of what data, what not to misread, and by what command.

    Args:
        data: What was measured on, ``phantom`` or ``human``.
        pretrained: What the encoders learned from, the same words.
        command: That made the page.
    """
    lines = [f"# Slice navigation: what frozen features hold, and what they do for MRN ({data})"]
    if data == "phantom":
        lines += [
            "",
            "**Phantom.** Every figure on this page was measured on digital patients. It says how "
            "the method works on images that a generator made, and nothing about people.",
        ]
    if pretrained - {data}:
        lines += [
            "",
            f"**Mixed.** What was pre-trained learned from {' and '.join(sorted(pretrained))} "
            f"volumes, and was measured on {data} ones.",
        ]
    made = ["Made by", "", "```", command, "```"]
    measured = "The measuring commands are in docs/navigation.md."
    return [*lines, "", WHAT_ARMS_ARE, "", SHARED, "", *made, "", measured]


def reading_probes(rows: Rows, data: str) -> list[str]:
    """How the probes' tables are to be read."""
    identity = next(iter(rows.values())).identities[0]
    train, test = (len(identity[name]) for name in ("train", "test"))
    seeds = sorted({one["seed"] for row in rows.values() for one in row.identities} - {None})
    settings = identity["settings"]
    return [
        f"## Probes of frozen features ({data})",
        "",
        f"Learned on {train} digital patients and measured on {test} others "
        f"whom no pre-training has met; {settings['clips']} clips of each volume from anywhere in "
        f"the head, {settings['nuclei_clips']} around its nuclei. A figure is the mean over the "
        "test patients and over the pre-trainings' seeds "
        f"({', '.join(map(str, seeds)) or 'none'}); in brackets the 95 % interval by drawing test "
        "patients anew, in round brackets the least and the largest seed. Each seed is a "
        "pre-training of its own; the probes' own seed and clips are the same for all rows.",
        "",
        f"**{TOKENIZER.capitalize()} features** are the frozen encoder's tokens of a single slice. "
        f"**{CONTEXT.capitalize()} features** are the hidden states of the frozen dynamics over a "
        "clip: the state of a slice has seen the slices before it too, so that the two kinds are "
        "not to be compared with each other. The state also knows the action that leaves its "
        "slice; all actions are withheld from it here (the model is told that nothing moves), so "
        "that no probe can read an action. Arms trained with actions meet something unusual there, "
        "the zeroed arm what it has always met. For outlines, which no action says, there are "
        f"**{TOLD}** features too: the state of a slice has been told the actions that led to it, "
        "and none that leaves it; they are to be compared with the zeroed arm's context. "
        "**Untrained** dynamics stand on the trained encoder, and say what mixing its latents at "
        "random gives.",
        "",
        "Outlines: Dice over all of a patient's slices together, left and right merged, mean over "
        "the nuclei. The linear probe maps a patch's token to all of the patch's pixels and "
        "classes, since most nuclei are smaller than a patch; the DPT probe is MRN's segmentation "
        "head, on four of the encoder's layers or on the dynamics' last one. "
        f"{outlining(settings)} Poses: ridge "
        "regression, its strength chosen by cross-validation between patients, and a network with "
        "one hidden layer, stopped where it is best on patients left out of the training, since "
        "how two slices lie to one another is hardly linear in both slices' features. A centre "
        "is told from the middle of the tissue's box, a rotation is read as a matrix and "
        "projected. Planes: logistic regression. "
        "**No features** is what the same probes say with nothing to look at: the training mean, "
        "the commonest plane.",
        "",
        "Pairs of slices are one to three steps of a clip apart. Most paths move in one way alone "
        "(a scroll turns nothing, a tilt shifts nothing), so that each part of the way from one "
        "slice to the other (translation, rotation, log-scale) has probes of its own, learned "
        "from the pairs in which that part moves and measured on such pairs; where it stands "
        "still, nothing is asked. **R²** is the share of the variance explained, the test "
        "patients' pairs together: 1 less the sum of squared errors over that of saying the "
        "training mean. 1 is all; 0 is nothing, which is what no features give; below 0 is worse "
        "than nothing. It says whether anything is read. The errors in mm, degrees and log-scale "
        "are means over the same pairs; the probes learn to make squared errors small, so that one "
        "that reads little can lie behind no features there.",
    ]


def outlining(settings: Mapping[str, Any]) -> str:
    """How long probes that outline learn, and for the usual numbers where these are from."""
    steps = [settings[name] for name in ("linear_steps", "dpt_steps")]
    said = f"They take {steps[0]} and {steps[1]} steps in all rows"
    usual = ProbeSettings()
    if steps == [usual.linear_steps, usual.dpt_steps]:
        said += ", numbers that were chosen on the patients learned from; their Dice on those"
    else:
        said += "; their Dice on the patients learned from"
    return f"{said} stands beside."


def differences(data: str) -> list[str]:
    """Above the table of differences."""
    return [
        f"### Differences on the same patients ({data})",
        "",
        "In brackets 95 % by drawing test patients anew, in round brackets the least and the "
        "largest seed's; seeds of equal number are paired. The interval does not hold the spread "
        "between pre-trainings: *better* and *worse* stand where it leaves out 0, two seeds or "
        "more are there and agree, and one of the two is better than no features by the interval "
        "of that difference. Where neither is, a difference would say only how far probes stray "
        "that read nothing. With so many comparisons some stand by chance.",
        "",
    ]


def gap(data: str) -> list[str]:
    """Above the table of held-out errors."""
    return [
        f"## Do the predictions follow the actions? ({data})",
        "",
        "Mean error (L1 of layer-normed latents) of the next slice on patients held out from "
        "pre-training, told each clip's own actions, another clip's, none; and of saying that the "
        "next slice looks like this one. In the tables of differences, of all clips and of each "
        "kind of path: the mean over seeds, in brackets 95 % by drawing anew, within each seed, "
        "the patients whom that seed held out; in round brackets the least and the largest seed.",
        "",
    ]


def labels(results: LabelResults, data: str) -> list[str]:
    """Above the label-efficiency table."""
    settings, training = results.identity["settings"], results.identity["training"]
    segmented = training["loss"]["segmentation"] > 0 and training["model"].get("dpt")
    losses = "classification and segmentation" if segmented else "classification"
    return [
        f"## MRN with few labels, the encoder frozen ({data})",
        "",
        f"Each encoder's slice tokens of {settings['views']} draws of boxes and augmentation are "
        "kept. **MRN**: everything behind the encoder (FFA, SFA, heads) is trained on them: "
        f"{settings['steps']} steps of {training['train']['batch_size']} patients whatever the "
        f"number of labels, {losses}, no contrastive loss; the same patients, draws and start of "
        "the rest for all encoders. **Logistic regression**, the plainer question of what the "
        "tokens hold: on each ROI's mean slice token and the mean and maximum of its patches, the "
        "penalty chosen by cross-validation among the labelled patients. The random start is what "
        "the pre-training of the same seed began with; positions of all encoders are resampled "
        "to the ROIs' images in the same way.",
        "",
        f"AUC in % on {results.patients} other patients: mean over "
        "seeds, in brackets 95 % by drawing the test patients anew, in round brackets the least "
        "and the largest seed; an interval that holds 50 shows nothing. A seed draws the labelled "
        "patients and the start, and takes the "
        "pre-training of its own number. In the differences, of equal seeds, *better* and *worse* "
        "stand where the interval, which does not hold the spread between seeds, leaves "
        "out 0 and two seeds or more agree.",
        "",
    ]


def finetuned(results: LabelResults, data: str) -> list[str]:
    """Above the table of whole MRNs."""
    return [
        f"## Full fine-tuning ({data})",
        "",
        "The whole MRN, encoder and all, trained by `Training/train_mrn.py` from each start; AUC "
        f"in % on {results.patients} other patients, read as above; differences are of trainings "
        "of one seed on the same labelled patients."
        + (ILLUSTRATION if max(len(row.margins) for row in results.rows.values()) == 1 else ""),
        "",
    ]


def times(cells: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the cells took."""
    sums: dict[str, list[float]] = {}
    for one in cells.values():
        sums.setdefault(one["identity"]["kind"], []).append(float(one["seconds"]))
    body = [
        [kind, str(len(taken)), f"{sum(taken) / 60:.1f}", f"{max(taken):.0f}"]
        for kind, taken in sorted(sums.items())
    ]
    header = ["cells", "number", "minutes of one core, together", "seconds, the longest"]
    return ["## Time", "", *table(header, body)]
