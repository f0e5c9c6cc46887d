"""The ring, its pointer, and which keys an anchor meets."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from MRNLib.training.memory_bank import Keys, MemoryBank


def batch(first: int, labels: list[int]) -> Keys:
    """Keys whose vector and patient are their running number."""
    numbers = torch.arange(first, first + len(labels))
    return Keys(numbers[:, None].float().repeat(1, 3), torch.tensor(labels), numbers)


def stored(bank: MemoryBank, label: int) -> list[int]:
    keys = bank.keys()
    return sorted(int(one) for one in keys.vectors[keys.labels == label][:, 0])


@pytest.mark.parametrize(("capacity", "size"), [(5, 3), (7, 4), (4, 4), (3, 2)])
def test_ring_wraps_when_the_batch_does_not_divide_the_capacity(capacity, size):
    bank = MemoryBank(capacity, 3)
    written: list[int] = []
    for number in range(6):
        bank.enqueue(batch(number * size, [1] * size))
        written += range(number * size, (number + 1) * size)
        assert stored(bank, 1) == written[-capacity:]
        assert int(bank.pointer[1]) == len(written) % capacity
        assert int(bank.valid[1]) == min(len(written), capacity)
    assert stored(bank, 0) == []


def test_classes_advance_on_their_own():
    bank = MemoryBank(4, 3)
    bank.enqueue(batch(0, [0, 1, 1, 1]))
    bank.enqueue(batch(4, [1, 1, 0, 1]))
    assert stored(bank, 0) == [0, 6]
    assert stored(bank, 1) == [3, 4, 5, 7]
    assert bank.pointer.tolist() == [2, 2]


def test_a_batch_larger_than_the_ring_keeps_its_newest():
    bank = MemoryBank(3, 3)
    bank.enqueue(batch(0, [0] * 8))
    assert stored(bank, 0) == [5, 6, 7]
    assert int(bank.valid[0]) == 3


def test_unfilled_slots_are_no_keys():
    bank = MemoryBank(100, 3)
    assert bank.keys().vectors.shape == (0, 3)
    bank.enqueue(batch(1, [0, 1]))
    assert sorted(bank.keys().vectors[:, 0].tolist()) == [1.0, 2.0]


def test_no_key_is_counted_twice():
    bank = MemoryBank(8, 3)
    for first in (0, 4):
        current = batch(first, [0, 1, 0, 1])
        used = current.joined(bank.keys())
        assert len(set(used.patients.tolist())) == len(used.patients)
        bank.enqueue(current)
    assert sorted(bank.keys().patients.tolist()) == list(range(8))


def test_own_patient_can_be_left_out():
    keys = batch(0, [0, 1, 0])
    usable = keys.usable_for(torch.tensor([2, 9]))
    assert usable.tolist() == [[True, True, False], [True, True, True]]


def test_state_survives_safetensors(tmp_path):
    bank = MemoryBank(5, 3)
    bank.enqueue(batch(0, [0, 1, 1, 0, 1, 1, 1, 1]))
    save_file(bank.state_dict(), tmp_path / "bank.safetensors")
    other = MemoryBank(5, 3)
    other.load_state_dict(load_file(tmp_path / "bank.safetensors"))
    for one in (bank, other):
        one.enqueue(batch(20, [1, 0]))
    assert all(torch.equal(bank.state_dict()[k], other.state_dict()[k]) for k in bank.state_dict())


def test_capacity_must_be_positive():
    with pytest.raises(ValueError, match="capacity"):
        MemoryBank(0, 3)
