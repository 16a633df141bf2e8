"""The data that chapters run on."""

import pytest
import torch

from lossnotes import experiments


@pytest.mark.parametrize(("language", "size", "most_frequent"), [("en", 26, "e"), ("zh", 9135, "的")])
def test_symbol_frequencies(language, size, most_frequent, device):
    symbols, p = experiments.symbol_frequencies(language, device=device)
    assert len(symbols) == len(set(symbols)) == p.numel() == size and symbols[0] == most_frequent
    assert p.dtype == torch.float32 and p.device.type == torch.device(device).type
    assert (p[:-1] >= p[1:]).all() and (p > 0).all()
    torch.testing.assert_close(p.sum(), torch.ones((), device=device))


def test_symbol_frequencies_of_an_unknown_language():
    with pytest.raises(ValueError) as error:
        experiments.symbol_frequencies("fr")
    assert str(error.value) == (
        "symbol_frequencies: language is 'fr'; expected one of 'en', 'zh'. Try language='en'."
    )


def test_letter_pairs(device):
    letters, joint = experiments.letter_pairs(device=device)
    assert "".join(letters) == "abcdefghijklmnopqrstuvwxyz" and joint.shape == (26, 26)
    torch.testing.assert_close(joint.sum(), torch.ones((), device=device))
    t, h = letters.index("t"), letters.index("h")
    assert joint[t, h] > 10 * joint[h, t]  # rows come first


def test_letter_pairs_agree_with_letters():
    # A letter is the second of a pair as often as it occurs, but for the beginnings of words.
    _, joint = experiments.letter_pairs(device="cpu")
    symbols, p = experiments.symbol_frequencies("en", device="cpu")
    second = joint.sum(0)[[ord(c) - ord("a") for c in symbols]]
    assert torch.corrcoef(torch.stack([second, p]))[0, 1] > 0.9


def test_data_goes_to_the_default_device(monkeypatch):
    monkeypatch.setenv("LOSSNOTES_DEVICE", "meta")
    assert experiments.letter_pairs()[1].device.type == "meta"
    assert experiments.symbol_frequencies("en")[1].device.type == "meta"
