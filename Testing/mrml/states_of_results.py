"""The panel with a result; see panel_states."""

from __future__ import annotations

from MRNDiagnosisLib.panel_facts import BatchFacts
from panel_examples import State, done
from report_helpers import examination

from MRNLib.examination import DEMONSTRATION, NO_MEANING

RESULTS: list[State] = [
    ("result fresh", done(), True, "Classify", "headlineLabel", "P(PD) = 0.80"),
    (
        "result out of date",
        done(changes=("QSM2: its box moved.",), recompute="Reads QSM2 with the model again."),
        True,
        "Reads QSM2 with the model again.",
        "freshnessLabel",
        "out of date.\nQSM2: its box moved.\nDiagnose again: Reads QSM2 with the model again.",
    ),
    (
        "result of another patient",
        done(elsewhere=True, changes=("The QSM volume changed.",)),
        True,
        "Classify",
        "headlineLabel",
        "Result of 'case <1>', not of what is chosen",
    ),
    (
        "demonstration model",
        done(result=examination(decision=DEMONSTRATION, headline=NO_MEANING, trained_on="phantom")),
        True,
        "Classify",
        "headlineLabel",
        "no meaning for a patient",
    ),
    (
        "digital phantom",
        done(result=examination(phantom=True)),
        True,
        "Classify",
        "probabilityLabel",
        "digital phantom, not a patient",
    ),
    (
        "warnings of a run that are the result's",
        done(result=examination(warnings=("The unit was ppm.",)), notes=("The unit was ppm.",)),
        True,
        "Classify",
        "statusLabel",
        "Warnings: 1",
    ),
    (
        "report of an earlier session",
        done(files=False),
        True,
        "Classify",
        "headlineLabel",
        "P(PD) = 0.80",
    ),
    (
        "everything there is to click",
        done(
            result=examination(warnings=(), segmentation_notes=()),
            dicom=True,
            bundle_added=True,
            cache_megabytes=2.5,
            batch=BatchFacts("in", "out"),
        ),
        True,
        "Classify",
        "cacheLabel",
        "2.5 MB",
    ),
]
