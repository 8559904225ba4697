"""Expressions of the job language: what they can do, and what they must never do."""

from __future__ import annotations

import gc
import time
import weakref
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eas.contracts.errors import InvalidExpressionError
from eas_scheduler.domain.job_language.expressions import Scope, UnknownMetadataError, evaluate, parse_expression

SCOPE = Scope(
    {"size": 0.5, "size_index": 0, "name": "lc", "flag": True, "text": "25"},
    {"find": {"sde": 12.5, "period": 4}},
    seed=7,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain text", "plain text"),
        ("  stripped  ", "stripped"),
        ("[1, 2]", "[1, 2]"),
        ("metadata['size']", "metadata['size']"),
        ("-1", "-1"),
        ("(constants.Rearth * 2)", 2 * 0.08911486),
        ("(constants.year + constants.month + constants.day)", 365.25 + 28 + 1),
        ("(1 + 2 * 3 - 4 / 8)", 6.5),
        ("(pow(2, 10))", 1024),
        ("(2 ** 0.5)", 2**0.5),
        ("(metadata['size'] < 1) and (requested_metadata['find']['sde'] > 9)", True),
        ("(requested_metadata['find']['period'] == 4)", True),
        ("'lc_{size_index}_{size}.gz'.format(**metadata)", "lc_0_0.5.gz"),
        ("'{0}-{name!r:>6}'.format(1, name='a')", "1-   'a'"),
        ("('%03d' % metadata['size_index'])", "000"),
        ('"quoted"', "quoted"),
        ("(1, 'a', [2])", [1, "a", [2]]),
        ("({'a': 1, **{'b': 2}})", {"a": 1, "b": 2}),
        ("('big' if metadata['size'] > 0.1 else 'small')", "big"),
        ("(not metadata['flag'] or 3)", 3),
        ("(metadata.get('nothing', 5))", 5),
        ("('x' in 'xyz' and 1 not in [2])", True),
        ("(list(range(3)) + [max(4, 5)])", [0, 1, 2, 5]),
        ("('a-b'.split('-')[1].upper())", "B"),
        ("(f'{metadata[\"size\"]:.2f}')", "0.50"),
    ],
)
def test_what_the_language_has(text: str, value: Any) -> None:
    found = evaluate(text, SCOPE)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("value", [5, 0.5, True, None, [1], {"a": 1}])
def test_only_text_is_evaluated(value: Any) -> None:
    assert evaluate(value, SCOPE) is value


def test_metadata_keeps_its_type() -> None:
    assert evaluate("'{size_index}'.format(**metadata)", SCOPE) == "0"
    assert evaluate("(metadata['text'])", SCOPE) == "25"
    assert evaluate("(metadata['flag'])", SCOPE) is True


@pytest.mark.parametrize(
    "text",
    [
        "(__import__('os').system('true'))",
        "(().__class__.__bases__[0].__subclasses__())",
        "(metadata.__class__)",
        "(constants.__class__)",
        "('{0.__class__}'.format(constants))",
        "('{0.jupiter_radius}'.format(constants))",
        "('{x[0].__class__}'.format(x=[1]))",
        "('%s'.__mod__)",
        "(open('/etc/passwd').read())",
        "(eval('1'))",
        "(getattr(constants, 'day'))",
        "((lambda: 1)())",
        "([x for x in range(3)])",
        "(random.seed(1))",
        "(random.__class__)",
        "(random)",
        "(str.format)",
        "(a := 1)",
        "(await_me)",
        "(b'bytes')",
        "(1j)",
        "(metadata.update({'a': 1}))",
        "(metadata.pop('size'))",
        "('abc'.join(['a']))",
        "(1 << 9)",
        "(~1)",
        "(*[1],)",
    ],
)
def test_what_the_language_must_not_have(text: str) -> None:
    with pytest.raises(InvalidExpressionError):
        evaluate(text, SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        "(9 ** 9 ** 9)",
        "(pow(9, 99999999))",
        "(2 ** -99999999999)",
        "('a' * 10 ** 9)",
        "([0] * 10 ** 9)",
        "([[[[0] * 400] * 400] * 400] * 400)",
        "(list(range(10 ** 12)))",
        "('{:>999999999}'.format(1))",
        "('%999999999d' % 1)",
        "('%*d' % (999999999, 1))",
        "('{:{w}}'.format(1, w=999999999))",
        "(f'{1:>999999999}')",
        "('a'.zfill(10 ** 9))",
        "('a' * 60000).replace('a', 'b' * 60000)",
        "(int('9' * 60000))",
        "(" + "1+" * 3000 + "1)",
        "(" * 3000 + ")" * 3000,
        "(1" + "[0]" * 900 + ")",
        "(" + "-" * 2000 + "1)",
        "(str([[[0] * 1000] * 1000] * 1000))",
        "(1e308 * 10 ** 300)",
    ],
)
def test_time_and_memory_are_bounded(text: str) -> None:
    begin = time.process_time()
    try:
        found = evaluate(text, SCOPE)
    except InvalidExpressionError:
        found = None
    assert time.process_time() - begin < 1.0
    assert found is None or len(repr(found)) < 10_000


def test_an_error_says_what_is_wrong() -> None:
    with pytest.raises(InvalidExpressionError, match=r"metadata has no 'sise'; it has flag, name, size"):
        evaluate("(metadata['sise'])", SCOPE)
    with pytest.raises(InvalidExpressionError, match=r"there is no 'radius'; there is flag"):
        evaluate("'{radius}'.format(**metadata)", SCOPE)
    with pytest.raises(InvalidExpressionError, match="division by zero"):
        evaluate("(1 / 0)", SCOPE)
    with pytest.raises(InvalidExpressionError, match="never closed"):
        evaluate("(1 + ", SCOPE)


def test_metadata_of_tasks_that_have_not_run_is_unknown_rather_than_wrong() -> None:
    early = Scope({}, None)
    with pytest.raises(UnknownMetadataError):
        evaluate("(requested_metadata['find']['sde'])", early)
    assert evaluate("(1 + 1)", early) == 2


def test_random_numbers_follow_the_seed() -> None:
    draws = [evaluate("(random.random() + random.uniform(0, 1))", Scope({}, {}, seed)) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@given(st.text(max_size=60))
def test_any_text_gives_a_value_or_a_clear_error(text: str) -> None:
    with suppress(InvalidExpressionError):
        evaluate("(" + text, SCOPE)


@pytest.mark.parametrize("length", [20, 300])
def test_only_a_bounded_number_of_parsed_expressions_is_kept(length: int) -> None:
    trees = [weakref.ref(parse_expression(f"('{number:0{length}}')")) for number in range(3000)]
    gc.collect()
    kept = sum(tree() is not None for tree in trees)
    assert 0 < kept <= (2048 if length < 200 else 64)
