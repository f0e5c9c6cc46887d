"""Mistakes with the measuring commands are told before anything takes minutes."""

from __future__ import annotations

from script_helpers import script


def test_shared_patients_are_told_before_volumes_are_made(arms_folder, tmp_path, capsys):
    places = [f"--volumes={tmp_path / 'volumes'}", f"--out={tmp_path / 'out'}"]
    command = ["probe", f"--trained={arms_folder / 'aligned_1'}", *places]
    assert script("probe_navigation").main([*command, "--train=5:3", "--test=7:2"]) == 2
    assert "1 patients are both to learn probes from" in capsys.readouterr().err
    assert not (tmp_path / "volumes").exists()
