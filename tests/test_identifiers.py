"""One passage, one id, however it is written."""

from decimal import Decimal

import pytest

from xqg.identifiers import canonical, identifier, is_text, spellings


@pytest.mark.parametrize("value", [101, 101.0, "101", "101.0", "101.00", " 101\n", Decimal(101), Decimal("101.00")])
def test_a_number_is_one_id(value):
    assert identifier(value) == "101"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.0, "0"),
        (-7.0, "-7"),
        (1.5, "1.5"),
        (1e16, "10000000000000000"),
        (1e22, "1e+22"),
        (2**70, "1180591620717411303424"),
        ("007", "007"),
        ("1.10", "1.10"),
        ("1.0.0", "1.0.0"),
        ("v2.0", "v2.0"),
        ("cafe\u0301.md", "caf\u00e9.md"),
        ("\ufeffga\u200bte\u00ad", "gate"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
    ],
)
def test_the_form_of_an_id(value, expected):
    assert identifier(value) == expected
    assert identifier(expected) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "is neither a string nor a number but null"),
        (True, "is neither a string nor a number but true or false"),
        ([1], "is neither a string nor a number but a list"),
        (float("nan"), "is nan"),
        (Decimal("Infinity"), "is Infinity"),
        ("", "is empty"),
        (" \u200b", "is blank"),
        ("a\x00b", "has the control character U+0000 at character 2"),
        ("\udcff", "has a lone surrogate: U+DCFF at character 1"),
        ("é" * 2049, "is 4098 bytes long, the limit is 4096"),
    ],
)
def test_what_is_no_id(value, reason):
    with pytest.raises(ValueError, match=f"^{reason}$".replace("+", r"\+")):
        identifier(value)


def test_what_somebody_typed_is_looked_up_as_it_would_be_stored_and_as_it_is():
    assert spellings("cafe\u0301") == ["caf\u00e9", "cafe\u0301"]
    assert spellings("7.0") == ["7", "7.0"]
    assert spellings("a") == ["a"]
    assert spellings("\udcff") == []
    assert (is_text("é"), is_text("\ud800")) == (True, False)
    assert canonical("e\u0301" * 5000) == "e\u0301" * 5000  # longer than any id
