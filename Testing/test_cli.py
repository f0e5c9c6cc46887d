"""The command line as a user meets it: exit codes, messages, files; run in this process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from MRNLib.anatomy import NOTICE
from MRNLib.cli.app import run
from MRNLib.cli.console import EXIT_CANCELLED, EXIT_INPUT
from Testing.bad_inputs import ROWS

ERRORS = [row for row in ROWS if row.kind == "error"]
WARNINGS = [row for row in ROWS if row.kind == "warning"]


def fingerprint(folder):
    """Every file below a folder with its hash."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def diagnose(paths, bundle, out, *options):
    files = [f"--{role.replace('_', '-')}={path}" for role, path in paths.items()]
    settings = [f"--bundle={bundle}", f"--out={out}", "--no-jitter", "--progress=none"]
    return run(["diagnose", *files, *settings, *options])


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row.name)
def test_a_bad_input_ends_with_code_2_and_a_few_lines(row, tmp_path, random_bundle, capfd):
    (tmp_path / "in").mkdir()
    paths = row.build(tmp_path / "in")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("an earlier report")
    before = fingerprint(tmp_path)
    capfd.readouterr()  # what ITK said while the bad file was made
    code = diagnose(paths, random_bundle, out, *row.options)
    said = capfd.readouterr()
    assert code == EXIT_INPUT
    lines = said.err.strip().splitlines()
    assert 1 <= len(lines) <= 3
    assert "Traceback" not in said.err + said.out
    for fragment in row.expected:
        assert fragment in said.err
    assert fingerprint(tmp_path) == before  # no existing file harmed, none half-written


@pytest.mark.parametrize("row", WARNINGS, ids=lambda row: row.name)
def test_a_doubtful_input_is_used_with_a_warning(row, tmp_path, random_bundle, capfd):
    paths = row.build(tmp_path)
    code = diagnose(paths, random_bundle, tmp_path / "out", *row.options)
    said = capfd.readouterr()
    assert "Traceback" not in said.err
    if not {"qsm_mask", "nm_mask"} <= paths.keys():
        # This bundle cannot outline nuclei: reading went well, and it says what is missing.
        assert code == EXIT_INPUT
        assert "has no segmenter" in said.err
        return
    assert code == 0, said.err
    for fragment in row.expected:
        assert fragment in said.err
    written = json.loads((tmp_path / "out" / "diagnosis.json").read_text("utf-8"))
    assert any(row.expected[0] in text for text in written["warnings"])


def case_options(case):
    return {
        "qsm": case.qsm,
        "nm": case.nm,
        "qsm_mask": case.qsm_mask,
        "nm_mask": case.nm_mask,
    }


def test_diagnose_writes_everything_with_the_notice(phantom_case, random_bundle, tmp_path, capfd):
    assert diagnose(case_options(phantom_case), random_bundle, tmp_path / "out") == 0
    said = capfd.readouterr().out
    assert NOTICE in said
    assert phantom_case.identifier in said
    for name in ("diagnosis.json", "report.html", "biomarkers.csv"):
        assert NOTICE in (tmp_path / "out" / name).read_text("utf-8")
    for name in ("QSM_mask.nii.gz", "NM_mask.nii.gz"):
        header = sitk.ReadImage(str(tmp_path / "out" / name))
        assert NOTICE in header.GetMetaData("descrip")


def test_json_lines_carry_progress_and_the_result(phantom_case, random_bundle, tmp_path, capfd):
    paths = case_options(phantom_case)
    code = diagnose(paths, random_bundle, tmp_path / "out", "--progress=json")
    assert code == 0
    lines = capfd.readouterr().out.splitlines()
    assert all(line.startswith("@mrn ") and line.isascii() for line in lines)
    events = [json.loads(line.removeprefix("@mrn ")) for line in lines]
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert events[-1]["event"] == "result"
    assert 0 < events[-1]["probability_pd"] < 1


def test_a_refusal_is_a_json_line_too(phantom_case, random_bundle, tmp_path, capfd):
    options = ("--mask-roi=NM", "--mask-roi=QSM2", "--progress=json")
    code = diagnose(case_options(phantom_case), random_bundle, tmp_path / "out", *options)
    assert code == EXIT_INPUT
    said = capfd.readouterr()
    last = json.loads(said.out.splitlines()[-1].removeprefix("@mrn "))
    assert last["event"] == "error"
    assert last["text"] in said.err


def test_a_cancel_file_stops_the_run_and_leaves_nothing(
    phantom_case, random_bundle, tmp_path, capfd
):
    (tmp_path / "stop").touch()
    option = f"--cancel-file={tmp_path / 'stop'}"
    code = diagnose(case_options(phantom_case), random_bundle, tmp_path / "out", option)
    assert code == EXIT_CANCELLED
    assert "Cancelled" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["phantom", "demo", "phantom from masks"])
def test_a_cancel_file_stops_the_making_of_patients(command, phantom_case, tmp_path, capfd):
    (tmp_path / "stop").touch()
    arguments = [command.split()[0], f"--out={tmp_path / 'out'}", "--progress=json"]
    if "masks" in command:
        arguments += ["--from-masks", str(phantom_case.qsm_mask), str(phantom_case.nm_mask)]
    assert run([*arguments, f"--cancel-file={tmp_path / 'stop'}"]) == EXIT_CANCELLED
    said = capfd.readouterr()
    assert json.loads(said.out.splitlines()[-1].removeprefix("@mrn "))["event"] == "cancelled"
    assert "Cancelled" in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["diagnose", "--qsm", "x.nii", "--nm", "y.nii", "--out", "o", "--roi", "NM"],
            "not a ROI with its box",
        ),
        (
            ["diagnose", "--qsm", "x.nii", "--nm", "y.nii", "--out", "o", "--roi", "NM=1"],
            "not a box",
        ),
        (["diagnose", "--qsm", "x.nii", "--nm", "y.nii", "--out", "o", "--folds", "a"], "fold"),
        (["diagnose", "--qsm", "x.nii", "--nm", "y.nii", "--out", "o", "--bundle", "q"], "bundle"),
        (["phantom", "--out", "o", "--diagnosis", "MSA"], "HC or PD"),
        (["diagnose", "--qsm", "x.nii", "--nm", "y.nii", "--out", __file__], "not a folder"),
        (["phantom", "--out", f"{__file__}/deeper"], "not a folder"),
        (["bundle", "show", "nothing"], "not a model bundle"),
        (["diagnose"], ""),
        (["diagnose", "--nonsense"], "nonsense"),
    ],
)
def test_unusable_options_are_said_in_a_few_lines(arguments, said, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = run(arguments)
    output = capfd.readouterr()
    assert code != 0 or arguments == ["diagnose"]
    assert said in output.err + output.out
    assert "Traceback" not in output.err
    assert list(tmp_path.iterdir()) == []


def test_phantom_command_makes_the_same_patient_again(tmp_path, capfd):
    for folder in ("a", "b"):
        arguments = ["phantom", "--seed", "8000200", "--out", str(tmp_path / folder)]
        assert run([*arguments, "--progress", "none"]) == 0
    first = {path.name: digest for path, digest in fingerprint(tmp_path / "a").items()}
    second = {path.name: digest for path, digest in fingerprint(tmp_path / "b").items()}
    assert first == second
    assert {"NM.nii.gz", "QSM.nii.gz", "T1.nii.gz", "labels.csv"} <= first.keys()


def test_phantom_leaves_somebody_elses_table_alone(tmp_path, capfd):
    table = tmp_path / "labels.csv"
    table.write_text("ID,label,age\nRJPD_001,1,63\n")
    assert run(["phantom", "--out", str(tmp_path), "--progress", "none"]) == EXIT_INPUT
    assert "other columns" in capfd.readouterr().err
    assert table.read_text(encoding="utf-8") == "ID,label,age\nRJPD_001,1,63\n"
    assert list(tmp_path.iterdir()) == [table]


def test_the_midbrain_cannot_be_masked_away(phantom_case, random_bundle, tmp_path, capfd):
    options = ("--mask-roi=NM", "--mask-roi=QSM2")
    code = diagnose(case_options(phantom_case), random_bundle, tmp_path / "out", *options)
    assert code == EXIT_INPUT
    assert "substantia nigra" in capfd.readouterr().err


def test_a_name_with_brackets_is_shown_as_it_is(phantom_case, random_bundle, tmp_path, capfd):
    paths = case_options(phantom_case)
    assert diagnose(paths, random_bundle, tmp_path / "out[1]", "--name=[/x] P1") == 0
    said = capfd.readouterr().out
    assert "[/x] P1" in said
    assert f"Report: {tmp_path / 'out[1]' / 'report.html'}" in said


def test_phantom_paints_into_given_masks(phantom_case, tmp_path, capfd):
    masks = [str(phantom_case.qsm_mask), str(phantom_case.nm_mask)]
    arguments = ["phantom", "--from-masks", *masks, "--seed", "8000201", "--out", str(tmp_path)]
    assert run([*arguments, "--diagnosis", "HC", "--progress", "none"]) == 0
    (made,) = tmp_path.glob("*/QSM_mask.nii.gz")
    given = sitk.GetArrayFromImage(sitk.ReadImage(masks[0]))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(made))), given)


def test_help_of_a_command_flows_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    run(["cohort", "run", "--help"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    first = next(place for place, line in enumerate(lines) if line.startswith("--out gets"))
    last = lines.index("", first)
    assert all(len(line) > 50 for line in lines[first : last - 1])  # no stumps before the last


def test_help_needs_no_heavy_library():
    script = (
        "import sys; from MRNLib.cli.app import run; run(['--help']);"
        "sys.exit(any(n in sys.modules for n in ('torch', 'timm', 'monai', 'nnunetv2')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0
