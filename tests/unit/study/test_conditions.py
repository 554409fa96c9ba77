import re

import numpy as np
import pytest

from ensnare.study.conditions import parse_condition

VALUES = {
    "status": np.array(["ok", "timeout", "failed", "timeout"]),
    "F": np.array([100.0, 400.0, 500.0, 300.0]),
    "y": np.array([1.0, np.nan, np.nan, np.nan]),
    "mesh": np.array(["fine", "coarse", "a b", "and 'b'"], object),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "status == 'timeout' and F > 320": [0, 1, 0, 0],
        "status == 'timeout' or F > 320": [0, 1, 1, 1],
        "not (status == 'timeout' or F > 320)": [1, 0, 0, 0],
        "'ok' != status": [0, 1, 1, 1],
        "status in ('ok', 'failed') and F in [100, 300]": [1, 0, 0, 0],
        "status not in ['ok']": [0, 1, 1, 1],
        "200 < F <= 400": [0, 1, 0, 1],
        "sqrt(F) * 2 ** 1 == 20": [1, 0, 0, 0],
        "y > 0": [1, 0, 0, 0],
        "not y > 0": [0, 1, 1, 1],
        "y < 0 or y >= 0": [1, 0, 0, 0],
        "y == y": [1, 0, 0, 0],
        "1 / (F - 100) > 0.0033": [1, 1, 0, 1],
        "mesh == 'a b'": [0, 0, 1, 0],
        "mesh == \"and 'b'\"": [0, 0, 0, 1],
        " F > 320 ": [0, 1, 1, 0],
        "F in ()": [0, 0, 0, 0],
    }.items(),
)
def test_where_a_condition_holds(text, expected):
    found = np.broadcast_to(parse_condition(text).holds(VALUES), (4,))
    assert found.astype(int).tolist() == expected


def test_a_condition_says_what_it_needs():
    condition = parse_condition("status == 'x' and sqrt(F) > pi or mesh in ('a', 'b')")
    assert condition.names == {"status", "F", "mesh"}
    assert condition.texts == {"status": {"x"}, "mesh": {"a", "b"}}


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "": "'' is no condition; expected such as status == 'timeout' and F > 320",
        "F = 320": "'F = 320' is no condition at column 3; write == for equal",
        "F >": "is no condition",
        "F": "'F' at column 1 is no condition",
        "F + 1": "'F + 1' at column 1 is no condition",
        "True": "'True' at column 1 is no condition",
        "F > 1 and F": "'F' at column 11 is no condition",
        "status < 'timeout'": "'timeout': a text can only be equal to a name or not",
        "'a' == 'a'": "'a': a text can only be equal to a name or not",
        "F + 1 == 'a'": "'a': a text can only be equal to a name or not",
        "F is 3": "in takes a list such as (1, 2)",
        "status in 'timeout'": "can only be equal",
        "F in F": "in takes a list such as (1, 2)",
        "F.real > 1": "'F.real' at column 1 is not allowed",
        "open('x') == 1": "unknown function 'open'",
        "__import__('os').system('true') > 1": "is not allowed",
        "(lambda: 1)() > 0": "is not allowed",
        "F > [x for x in (1,)]": "is not allowed",
        "F ^ 2 > 1": "write ** for a power",
        "not " * 200 + "F > 1": "is nested too deeply",
        "F > 1\nor F < 2": "is no condition",
    }.items(),
)
def test_what_is_no_condition_is_refused_in_one_line(text, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse_condition(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "F == '100'": "'F' is a number; write 100 without quotes",
        "mesh > 3": "'mesh' is a text; compare it with a text in quotes",
        "status == 3": "'status' is a text; compare it with a text in quotes",
    }.items(),
)
def test_texts_and_numbers_are_not_compared(text, said):
    with pytest.raises(ValueError, match=said):
        parse_condition(text).holds(VALUES)
