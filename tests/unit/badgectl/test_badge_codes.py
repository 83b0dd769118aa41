import pytest

from badgectl.badge_codes import BadgeCodes, slug


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Editor", "editor"),
        ("Strunk & White", "strunk_white"),
        ("brazilian-jiu-jitsu", "brazilian_jiu_jitsu"),
        ("  Très  Élégant ", "tres_elegant"),
        ("Straße", "strasse"),
        ("功夫 大师", "功夫_大师"),
        ("हिन्दी", "हिन्दी"),
        ("ⅷ __ day", "viii_day"),
        ("c++", "c"),
        ("+++", ""),
    ],
)
def test_slug_is_lower_case_words_joined_by_underscores(name: str, code: str) -> None:
    assert slug(name) == code


def test_slug_is_cut_at_fifty_characters_without_a_trailing_underscore() -> None:
    assert slug("a" * 49 + " bcd") == "a" * 49
    assert len(slug("x" * 200)) == 50


def test_names_that_come_to_one_slug_get_distinct_codes() -> None:
    codes = BadgeCodes()
    made = [codes.code_of(name) for name in ("C", "C#", "C++", "c")]
    assert made[0] == "c"
    assert len(set(made)) == 4
    assert all(len(code) <= 50 for code in made)


def test_same_names_in_the_same_order_get_the_same_codes_again() -> None:
    names = ["C", "C#", "C", "x" * 60, "x" * 61, "+", "-"]
    first, second = BadgeCodes(), BadgeCodes()
    assert [first.code_of(name) for name in names] == [second.code_of(name) for name in names]


def test_a_name_without_letters_has_a_code_all_the_same() -> None:
    codes = BadgeCodes()
    assert codes.code_of("!!!").startswith("badge_")
    assert codes.code_of("!!!") != codes.code_of("???")


def test_distinct_code_of_a_long_name_still_fits() -> None:
    codes = BadgeCodes()
    codes.code_of("y" * 50)
    assert len(codes.code_of("y" * 51)) == 50
