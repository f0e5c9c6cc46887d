from __future__ import annotations

import gzip

import numpy as np

from MRNLib.phantom.checks import cross_validated_auc
from MRNLib.phantom.headers import BLOCK, FILES, distinct_heads, file_heads, head_features
from MRNLib.phantom.write import write_case


def test_a_head_is_all_that_lies_before_the_voxels(affected, tmp_path):
    heads = file_heads(affected)
    assert tuple(heads) == FILES
    case = write_case(affected, tmp_path / "whole")
    for name in FILES:
        packed = (case / f"{name}.nii.gz").read_bytes()
        assert heads[name][:10] == packed[:10]
        plain = gzip.decompress(packed)
        # The size of the block is all that differs from the head of the whole file.
        differing = [n for n in range(352) if heads[name][10 + n] != plain[n]]
        assert set(differing) <= set(range(40, 56))
        assert len(heads[name]) == 10 + 352 + 12


def test_all_five_files_begin_alike_in_both_classes(control, affected):
    assert file_heads(control) == file_heads(affected)
    assert distinct_heads([file_heads(control), file_heads(affected)]) == 1


def test_the_block_written_holds_what_the_class_changes(control, affected):
    assert not np.array_equal(control.qsm[BLOCK], affected.qsm[BLOCK])
    assert not np.array_equal(control.nm[BLOCK], affected.nm[BLOCK])


def test_a_leak_in_one_byte_of_one_file_is_found(affected):
    plain = file_heads(affected)
    told = {**plain, "NM_mask": b"\1" + plain["NM_mask"][1:]}
    labels = np.arange(40) % 2 == 0
    heads = [told if pd else plain for pd in labels]
    assert cross_validated_auc(head_features(heads), labels) > 0.99
    assert distinct_heads(heads) == 2
    assert cross_validated_auc(head_features([plain] * 40), labels) == 0.5


def test_a_longer_head_is_found(affected):
    plain = file_heads(affected)
    longer = {**plain, "T1": plain["T1"] + b"\0"}
    features = head_features([plain, longer])
    assert features.shape[0] == 2
    assert not np.array_equal(features[0], features[1])
