"""``mrn cohort report``: one page that needs nothing else, whatever the cohort holds."""

from __future__ import annotations

import re

import pytest
import typer
from cohort_page_helpers import ERRORS, made_up, page, plain, rows_of, some, write_run

from MRNLib.anatomy import NOT_ATYPICAL, NOTICE
from MRNLib.cli import cohort_report
from MRNLib.cli.console import EXIT_INPUT
from MRNLib.cli.run import run_app
from MRNLib.cohort import report, report_listing
from MRNLib.cohort.records import case_file, read_cohort
from MRNLib.cohort.report_head import figure_warning
from MRNLib.errors import Cancelled, InputError
from MRNLib.examination import DEMONSTRATION, NO_MEANING


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Thirty cases, four of them failed, and their labels."""
    return made_up(tmp_path_factory.mktemp("cohort") / "out", 30, failed=4)


@pytest.fixture(scope="module")
def text(cohort):
    out, labels = cohort
    return report.write(out, labels).read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(text):
    sources = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {one.split(":")[0] for one in sources if not one.startswith("results/")} == {"data"}
    assert "http" not in text.replace("http-equiv", "")
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_notices_and_head(text):
    seen = plain(text)
    assert seen.count(NOTICE) == 2
    assert NOT_ATYPICAL in seen
    assert "26 of 30 cases done, 4 failed" in seen
    assert "Model made-up 1, trained on people." in seen
    assert "Failed, and therefore in no figure: 4 cases with a label." in seen


def test_folders_are_not_told(text):
    for secret in ("ward", "secret", "somebody", "/data", "/home", "/tmp"):
        assert secret not in text
    assert "<strong>cohort A</strong>" in text


def test_failed_cases_are_told_by_reason(text):
    seen = plain(text)
    assert "the file is damaged" in seen
    assert "RJPD_00026, RJPD_00029" in seen
    assert "What to do: name the files" in seen


def test_everything_that_labels_allow_is_there(text):
    seen = plain(text)
    for title in ("Against the diagnoses", "Biomarkers by group", "How robust", "All cases"):
        assert title in seen
    assert text.count('src="data:image/png;base64,') == 4
    assert "13 controls and 13 patients with PD with a result" in seen
    assert "corrected for the 27 tests" in seen


def test_all_cases_are_in_the_table(text, cohort):
    rows = rows_of(text)
    assert [row[0] for row in rows] == read_cohort(cohort[0]).cases
    assert {len(row) for row in rows} == {len(report_listing.COLUMNS) + 1}
    assert rows[1][1] == "PD"
    assert rows[-1][10].startswith("failed: ")
    assert 'href="results/RJPD_00000/report.html"' not in text  # the script makes them


def test_without_labels_the_cohort_stands_beside_published_values(cohort):
    seen = plain(page(cohort[0]))
    assert "Against the diagnoses" not in seen
    assert "Biomarkers Mean of both sides" in seen
    assert "Published mean" in seen
    assert "Mann-Whitney" not in seen


def test_one_case(tmp_path):
    seen = plain(page(write_run(tmp_path / "out", some(1))))
    assert "1 of 1 case done" in seen
    assert "nothing is compared within the cohort" in seen


def test_only_failed_cases(tmp_path):
    failed = {f"P{n}": ERRORS[0].format(id=f"P{n}", number=n) for n in range(3)}
    text = page(write_run(tmp_path / "out", {}, failed))
    assert "0 of 3 cases done, 3 failed" in plain(text)
    assert "data:image" not in text
    assert len(rows_of(text)) == 3


def test_digital_patients_are_called_so(tmp_path):
    found = some(4, phantom=True, trained_on="phantom")
    out = write_run(tmp_path / "out", found, trained_on="phantom")
    seen = plain(page(out))
    assert "digital phantoms" in seen
    assert "this tells about the software only" in seen
    gathered = report.read(out, read_cohort(out), None)
    assert figure_warning(gathered) == "Digital phantoms, not patients."


def test_a_demonstration_model_on_patients_has_no_meaning(tmp_path):
    found = some(4, trained_on="phantom", decision=DEMONSTRATION)
    out = write_run(tmp_path / "out", found, trained_on="phantom")
    text = page(out)
    assert f'<div class="banner">{NO_MEANING}' in text
    assert "the numbers have no meaning for a patient" in plain(text)
    assert figure_warning(report.read(out, read_cohort(out), None)) == NO_MEANING


def test_results_made_differently_are_told(tmp_path):
    found = some(4)
    found["P2"]["provenance"]["bundle"]["version"] = "2"
    found["P2"]["provenance"]["device"] = "cuda"  # makes no other result
    seen = plain(page(write_run(tmp_path / "out", found)))
    assert "Not all results were made alike. bundle: made-up 1 (000000000000) (3)" in seen
    assert "alike. device" not in seen


def test_a_run_that_goes_on(tmp_path):
    out = write_run(tmp_path / "out", some(2), waiting=("P7", "P8"))
    assert "2 of 4 cases have not been run yet" in plain(page(out))


def test_names_are_text_not_markup(tmp_path):
    found = some(1)["P0"]
    found["warnings"] = ["<script>alert(1)</script>"]
    text = page(write_run(tmp_path / "out", {"<b>x<": found}))
    assert "<b>x<" not in text
    assert "<script>alert" not in text
    assert rows_of(text)[0][0] == "<b>x<"


def test_a_damaged_record_is_a_failed_case(tmp_path):
    out = write_run(tmp_path / "out", some(3))
    case_file(out, "P1").write_text("{")
    text = page(out)
    assert "2 of 3 cases done, 1 failed" in plain(text)
    assert "mrn cohort run" in plain(text)
    assert str(tmp_path) not in text


def test_a_page_elsewhere_has_no_links_to_the_cohort(cohort, tmp_path):
    place = tmp_path / "pages" / "mine.html"
    assert report.write(cohort[0], place=place) == place
    text = place.read_text(encoding="utf-8")
    assert 'href="' not in text
    assert [path.name for path in place.parent.iterdir()] == ["mine.html"]


def test_the_table_of_all_is_linked_where_it_is(cohort):
    out = cohort[0]
    assert 'href="tables/cases.csv"' not in page(out)
    (out / "tables").mkdir()
    (out / "tables" / "cases.csv").write_text("identifier\n")
    assert 'href="tables/cases.csv"' in page(out)


def test_many_cases_show_the_first_rows_only(tmp_path, monkeypatch):
    monkeypatch.setattr(report_listing, "SHOWN", 5)
    text = page(made_up(tmp_path / "out", 40)[0])
    body = text[text.index('<table id="cases">') : text.index('<script id="data"')]
    assert body.count("<tr>") == 1 + 5
    assert len(rows_of(text)) == 40
    assert "The first 5 of 40 cases" in plain(text)


def test_the_page_grows_little_with_the_cohort(tmp_path, monkeypatch):
    """Pictures of many cases are bars and boxes, so this bounds 10,000 cases by some 3 MB."""
    monkeypatch.setattr(report_listing, "SHOWN", 10)
    small, large = (page(made_up(tmp_path / f"{count}", count)[0]) for count in (50, 150))
    assert len(large) < 1_500_000
    texts = [re.sub(r"base64,[^\"]+", "", text) for text in (small, large)]
    assert len(texts[1]) - len(texts[0]) < 100 * 250


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("id,diagnosis\nX,PD\n", "names none of the 30 cases"),
        ("a,b\n1,2\n", "columns found"),
        ("id,diagnosis\n", "a header and no row below it"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(cohort, tmp_path, labels, said):
    table = tmp_path / "labels.csv"
    table.write_text(labels)
    with pytest.raises(InputError, match=said):
        report.write(cohort[0], table)


def test_cancelled_work_leaves_the_old_page(cohort):
    before = report.write(cohort[0]).read_bytes()

    def told(fraction, message):
        if fraction > 0.5:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        report.write(cohort[0], progress=told)
    assert (cohort[0] / report.PAGE).read_bytes() == before


@pytest.fixture
def command(capfd):
    """Runs the command alone; gives the exit code and what was said."""
    app = typer.Typer(pretty_exceptions_enable=False)
    cohort_report.register(app)
    app.callback()(lambda: None)

    def go(*arguments):
        code = run_app(app, ["report", *map(str, arguments)])
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        return code, said.out + said.err

    return go


def test_the_command(command, cohort, tmp_path):
    out, labels = cohort
    code, said = command(out, "--labels", labels, "--out", tmp_path / "page.html")
    assert code == 0
    assert f"Written: {tmp_path / 'page.html'}" in said


def test_the_command_says_what_is_wrong(command, tmp_path):
    code, said = command(tmp_path)
    assert code == EXIT_INPUT
    assert "no cohort was run into this folder" in said
    out = write_run(tmp_path / "out", {}, waiting=("P1",))
    code, said = command(out)
    assert code == EXIT_INPUT
    assert "none of its cases has been run yet" in said
    code, said = command(out, "--out", tmp_path)
    assert code == EXIT_INPUT
    assert "this is a folder" in said
