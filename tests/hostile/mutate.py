"""Strategies that make bad inputs from good ones, so that they get deep into the readers."""

import copy
import json
import re
from typing import Any

from hypothesis import strategies as st

INTEGERS = (
    0,
    -1,
    1,
    2,
    7,
    255,
    256,
    65_535,
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**53,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
)
HUGE = (10**18, 10**30, 10**400, -(10**400))
NUMBERS = (0.5, -0.0, 1e-320, 1e-30, 1e30, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
TEXTS = (
    *(
        "",
        " ",
        "x",
        "\0",
        "a\0b",
        "\n",
        "line\nline",
        "\t",
        "\x1b[31m",
        "\u202e",
        "\u2028",
        "\x85",
        "é",
        "雪",
        "😀",
        "\ud800",
    ),
    *(
        "..",
        "../../outside/x",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/mem",
        "~",
        "a/b",
        "a\\b",
        ".",
        "-",
        "--help",
        "-rf",
    ),
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1e-999",
        "0x10",
        "1_000",
        "٣",
        "²",
        "None",
        "null",
        "true",
        "auto",
        "none",
        "all",
    ),
    *(
        "$(touch canary)",
        "; touch canary",
        "`touch canary`",
        "| touch canary",
        "&& touch canary",
        "> canary",
        "'\"",
        "${HOME}",
    ),
    *(
        "{x}",
        "{0}",
        "%s",
        "%n",
        "$x_$",
        "$\\frac{",
        "<script>",
        "' OR 1=1 --",
        "a" * 300,
        "é" * 200,
        "9" * 30,
        "9" * 5000,
    ),
    *("runs:/..", "models:/", "models:/a/b/c", "file:///etc/passwd", "sqlite:////etc/passwd", "http://127.0.0.1:1/x"),
)
CHARACTERS = st.characters(exclude_categories=())

texts = st.one_of(st.sampled_from(TEXTS), st.text(CHARACTERS, max_size=40))
numbers = st.one_of(
    st.sampled_from(INTEGERS),
    st.sampled_from(HUGE),
    st.sampled_from(NUMBERS),
    st.integers(-1000, 1000),
    st.floats(allow_nan=True, allow_infinity=True),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(texts, scalars, max_size=3),
    st.integers(1, 60).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a JSON value, the value itself left out."""
    entries = value.items() if isinstance(value, dict) else enumerate(value[:8]) if isinstance(value, list) else ()
    return [path for key, item in entries for path in ((*here, key), *places(item, (*here, key)))]


@st.composite
def mutated_value(draw: Any, value: Any) -> Any:
    """The value with one to three changes somewhere in it."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        found = places(value)
        if not found:
            return draw(values)
        path = draw(st.sampled_from(found))
        parent = value
        for key in path[:-1]:
            parent = parent[key]
        key, old = path[-1], parent[path[-1]]
        how = draw(
            st.sampled_from(
                ("replace", "replace", "replace", "number", "delete", "rename", "wrap", "text", "twice", "add")
            )
        )
        if how == "delete":
            del parent[key]
        elif how == "wrap":
            parent[key] = [old]
        elif how == "text":
            parent[key] = str(old)
        elif how == "number" and isinstance(old, int | float):
            parent[key] = draw(
                st.one_of(
                    numbers,
                    st.sampled_from((old + 1, old - 1, -old, old / 3 if abs(old) < 1e300 else old, old * 2**40)),
                )
            )
        elif how == "rename" and isinstance(parent, dict):
            parent[draw(texts)] = parent.pop(key)
        elif how == "add" and isinstance(old, dict):
            old[draw(texts)] = draw(values)
        elif how in ("twice", "add") and isinstance(old, list):
            parent[key] = old + old[:1]
        else:
            parent[key] = draw(values)
    return value


def as_json(value: Any) -> bytes:
    """JSON as Python writes it: NaN and Infinity are in it as such, lone surrogates as escapes."""
    return json.dumps(value).encode()


@st.composite
def mutated_json(draw: Any, value: Any) -> bytes:
    """A JSON file that is damaged in its structure, or now and then in its bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(mutated_bytes(as_json(value)))
    if draw(st.integers(0, 19)) == 0:
        return draw(
            st.sampled_from((b"[" * 100_000, b'{"a":' * 50_000, b"", b"null", b"[]", b"1" * 10_000, b"\xff\xfe{}"))
        )
    return as_json(draw(mutated_value(value)))


@st.composite
def mutated_bytes(draw: Any, content: bytes, head: int = 256) -> bytes:
    """The content with one to four changes, half of them near its beginning or its end, where headers are."""
    changed = bytearray(content)
    for _ in range(draw(st.sampled_from((1, 1, 2, 3, 4)))):
        size = len(changed)
        if not size:
            break
        where = draw(st.sampled_from(("head", "tail", "anywhere")))
        low, high = {"head": (0, min(head, size) - 1), "tail": (max(0, size - head), size - 1)}.get(
            where, (0, size - 1)
        )
        at = draw(st.integers(low, high))
        how = draw(st.sampled_from(("bit", "byte", "word", "long", "cut", "delete", "double", "zeros", "insert")))
        if how == "bit":
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "byte":
            changed[at] = draw(st.integers(0, 255))
        elif how in ("word", "long"):
            width = 4 if how == "word" else 8
            number = draw(st.sampled_from(INTEGERS)) % (1 << 8 * width)
            changed[at : at + width] = number.to_bytes(width, draw(st.sampled_from(("little", "big"))))[: size - at]
        elif how == "cut":
            del changed[at:]
        elif how == "delete":
            del changed[at : at + draw(st.integers(1, 64))]
        elif how == "double":
            changed[at:at] = changed[at : at + draw(st.integers(1, 512))]
        elif how == "zeros":
            width = min(draw(st.integers(1, 64)), size - at)
            changed[at : at + width] = bytes(width)
        else:
            changed[at:at] = draw(st.binary(min_size=1, max_size=16))
    return bytes(changed)


_WORD = re.compile(r"\S+")
WORDS = (
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1e308",
        "1e-320",
        "0",
        "-0",
        "-1",
        "1",
        "3",
        "4294967296",
        "9223372036854775808",
    ),
    *(
        "9" * 30,
        "9" * 4500,
        "9" * 9000,
        "0x1",
        "1_0",
        "+",
        "-",
        "",
        "x",
        "\0",
        "\x1b[31m",
        "é",
        "1 2",
        "1\n",
        "ITEM:",
        "pp",
        "ss",
        "xy",
    ),
    *("a" * 40, "a" * 20_000, "1.5", "Timestep:", 'Lattice="', '"'),
)


@st.composite
def mutated_text(draw: Any, text: str) -> bytes:
    """The text with words and lines changed; half of the changes fall into the first lines."""
    lines = text.split("\n")
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        if not lines:
            break
        last = len(lines) - 1
        at = draw(st.integers(0, min(12, last) if draw(st.booleans()) else last))
        how = draw(st.sampled_from(("word", "word", "word", "word", "delete", "double", "swap", "cut", "insert")))
        if how == "word":
            found = [match.span() for match in _WORD.finditer(lines[at])] or [(0, 0)]
            low, high = draw(st.sampled_from(found))
            lines[at] = lines[at][:low] + draw(st.sampled_from(WORDS)) + lines[at][high:]
        elif how == "delete":
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            other = draw(st.integers(0, last))
            lines[at], lines[other] = lines[other], lines[at]
        elif how == "cut":
            lines = [*lines[:at], lines[at][: draw(st.integers(0, max(0, len(lines[at]))))]]
        else:
            lines.insert(at, draw(st.sampled_from(WORDS)))
    return "\n".join(lines).encode("utf-8", "surrogatepass")
