import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensnare.model.templates import parse_jinja, parse_template

finite = st.floats(allow_nan=False, allow_infinity=False)


def render(text, values, *options, **named):
    return parse_template(text, *options, **named).render(values)


def test_a_name_never_eats_a_longer_one():
    values = {"x": 0.0, "x1": 1.0, "x10": 10.0}
    assert render("@x1@ @x10@ @x@", values, ("@", "@")) == "1 10 0"
    assert render("${x1}0 ${x10} ${x}10", values) == "10 10 010"


@pytest.mark.parametrize(
    "delimiters",
    [("${", "}"), ("@", "@"), ("{{", "}}"), ("<", ">"), ("$(", ")"), ("[[", "]]"), ("%", "%")],
)
def test_any_delimiters_enclose_a_name(delimiters):
    text = f"a = {delimiters[0]}a{delimiters[1]}, b = {delimiters[0]}b_2:.2e{delimiters[1]}\n"
    template = parse_template(text, delimiters)
    assert template.names == {"a", "b_2"}
    assert template.render({"a": 0.5, "b_2": 1234.5}) == "a = 0.5, b = 1.23e+03\n"


def test_text_without_placeholders_comes_back_as_it_is():
    for text in ("", "\n", "a\r\nb\tc", "$HOME {x} @x@ $$", "\ufeffä€"):
        assert render(text, {}) == text
        assert parse_template(text).names == frozenset()


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="@")), st.integers(0, 99))))
def test_what_stands_around_placeholders_is_kept(pieces):
    text = "".join(f"{before}@v{i}@" for before, i in pieces)
    values = {f"v{i}": i for _, i in pieces}
    assert render(text, values, ("@", "@")) == "".join(f"{before}{i}" for before, i in pieces)


def test_numbers_have_a_format():
    assert render("${x}", {"x": 1 / 3}) == "0.33333333333333"
    assert render("${x}", {"x": 1 / 3}, number_format=".3e") == "3.333e-01"
    assert render("${x:.2f} ${x}", {"x": 1 / 3}, number_format=".3e") == "0.33 3.333e-01"
    assert render("${x:}", {"x": 0.5}, number_format=".3e") == "5.000e-01"


def test_whole_numbers_and_texts_are_as_they_are():
    values = {"cores": 4, "n": 10**20, "mesh": "fine", "code": "012"}
    text = "${cores} ${n} ${mesh} ${code}"
    assert render(text, values, number_format=".3e") == "4 100000000000000000000 fine 012"
    assert render("${cores:.1f}", values) == "4.0"


def test_numbers_are_padded_to_the_width_and_texts_are_not():
    values = {"x": -0.5, "cores": 4, "mesh": "fine"}
    text = "|${x}|${cores}|${mesh}|"
    assert render(text, values, width=8) == "|    -0.5|       4|fine|"
    assert render("|${x:.3e}|${x:6.2f}|", values, width=12) == "|  -5.000e-01| -0.50|"


def test_a_number_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"'x' = -3.3333333333333e-11 takes 20 characters; expec"):
        render("${x}", {"x": -1e-10 / 3}, width=19)
    with pytest.raises(ValueError, match=r"'x' = 1.00e\+100 takes 9 characters; expected 8"):
        render("${x:.2e}", {"x": 1e100}, width=8)
    with pytest.raises(ValueError, match="takes 21 characters"):  # three digits of exponent
        render("${x}", {"x": -1e-100 / 3}, width=20)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_the_default_format_fits_twenty_characters(seed):
    # any bits of a double, with an exponent of two digits
    values = np.random.default_rng(seed).integers(0, 2**64, 9000, np.uint64).view(float)
    values = np.concatenate([values[(abs(values) > 1e-99) & (abs(values) < 1e99)], [0.0, -0.0]])
    assert len(values) > 5000 / 3
    template = parse_template("${x}", width=20)
    texts = [template.render({"x": value}) for value in values.tolist()]
    assert set(map(len, texts)) == {20}
    np.testing.assert_allclose(np.array(texts, float), values, rtol=1e-13)


@given(finite)
def test_seventeen_digits_bring_the_same_number_back(value):
    assert float(render("${x}", {"x": value}, number_format=".17g")) == value


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("${x", 1, "${x"),
        ("a\nb ${x y}\n", 2, "${x y}"),
        ("${}", 1, "${}"),
        ("${1x}", 1, "${1x}"),
        ("${ x }", 1, "${ x }"),
        ("${x:{y}}", 1, "${x:{y}}"),
        ("\r\n\r\n${HOME%/}\r\n", 3, "${HOME%/}"),
    ],
)
def test_half_a_placeholder_is_refused_with_its_line(text, line, found):
    with pytest.raises(ValueError, match=r"is not a placeholder") as caught:
        parse_template(text)
    assert str(caught.value).startswith(f"line {line}: '{found}' is not a placeholder; expected $")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("spec", [".3q", "d", "s", "f.3", "..2f", "é"])
def test_a_format_that_formats_no_number_is_refused(spec):
    with pytest.raises(ValueError, match=f"line 2: '{spec}' does not format a number"):
        parse_template(f"\n${{x:{spec}}}")


@pytest.mark.parametrize("opening", ["@", "$"])
def test_a_prefix_alone_takes_the_longest_name(opening):
    values = {"x": 0.0, "x1": 1.0, "x10": 10.0, "F": 0.5}
    text = "#x #x1 #x10 #x1,#F. (#F) #x1:.2f".replace("#", opening)
    template = parse_template(text, (opening, ""))
    assert template.names == {"x", "x1", "x10", "F"}
    assert template.render(values) == "0 1 10 1,0.5. (0.5) 1:.2f"
    # `@x100` is another name, never `@x10` and a zero
    assert parse_template(f"{opening}x100", (opening, "")).names == {"x100"}


@pytest.mark.parametrize("text", ["@ x", "a@", "@@x", "@1", "user@.org", "${x}"])
def test_a_prefix_without_a_name_is_refused(text):
    with pytest.raises(ValueError, match=r"line 1: .* is not a placeholder; expected .name;"):
        parse_template(text, ("$" if "$" in text else "@", ""))


BRACES = 'solver\n{\n    tolerance {tol};\n    type "{none}";\n}\n'


def test_a_file_full_of_braces_takes_other_delimiters():
    # what an opening brace begins is a placeholder or a mistake: `{tolx}` must never pass
    with pytest.raises(ValueError, match=r"line 2: '{' is not a placeholder; .*other delimiters"):
        parse_template(BRACES, ("{", "}"))
    assert parse_template("a {x} b", ("{", "}")).render({"x": 1}) == "a 1 b"
    text = BRACES.replace("{tol}", "@tol@")
    assert render(text, {"tol": 1e-6}, ("@", "@")) == BRACES.replace("{tol}", "1e-06")
    text = BRACES.replace("{tol}", "<<tol>>")
    assert render(text, {"tol": 1e-6}, ("<<", ">>")) == BRACES.replace("{tol}", "1e-06")


def test_jinja_has_logic_and_the_same_numbers():
    text = (
        "{% for i in range(2) %}\n{{ i + 1 }}, {{ L * i }}\n{% endfor %}\n"
        "{% if bc == 'flux' %}\nGr = {{ Gr }}\n{% endif %}\n{# no one sees this #}\nend\n"
    )
    template = parse_jinja(text)
    assert template.names == {"L", "bc", "Gr"}
    assert template.render({"L": 1 / 3, "bc": "wall"}) == "1, 0\n2, 0.33333333333333\nend\n"
    assert "Gr = 100000000\n" in template.render({"L": 1.0, "bc": "flux", "Gr": 1e8})
    other = parse_jinja(text.replace("no one sees this", "another comment"))
    values = {"L": 1 / 3, "bc": "wall"}
    assert other.render(values) == template.render(values)
    assert parse_jinja("{{ x }}", ".3e", 12).render({"x": 1.5}) == "   1.500e+00"
    assert parse_jinja("a\r\n{{ n }}\r\n").render({"n": 3}) == "a\r\n3\r\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ x", r"line 1: "),
        ("\n{% for %}", r"line 2: "),
        ("{% include 'a' %}", "cannot include"),
        ("{% extends 'a' %}", "cannot include"),
    ],
)
def test_what_is_no_jinja_template_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_jinja(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ y }}", "'y' is undefined"),
        ("{% if y %}{% endif %}", "'y' is undefined"),
        ("{{ 1 / x }}", "ZeroDivisionError"),
        ("{{ x.a.b }}", "no attribute 'a'"),
    ],
)
def test_what_a_jinja_template_lacks_is_said(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_jinja(text).render({"x": 0})
    with pytest.raises(ValueError, match="takes 3 characters; expected 2"):
        parse_jinja("{{ x }}", width=2).render({"x": 0.5})
