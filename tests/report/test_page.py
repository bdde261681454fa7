"""Descriptions become HTML, and nothing in them becomes more than text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassliquid.report.page import to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", ""),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("**v3** holds to `T = 0.8`", "<p><strong>v3</strong> holds to <code>T = 0.8</code></p>"),
        (
            "| a | b |\n| --- | --- |\n| 1 | **2** |",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><strong>2</strong></td></tr></tbody></table>",
        ),
        ("| not a table", "<p>| not a table</p>"),
        ("a < b & <script>alert(1)</script>", "<p>a &lt; b &amp; &lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("**<img onerror=x>**", "<p><strong>&lt;img onerror=x&gt;</strong></p>"),
        (
            "[a](javascript:alert(1)) ![b](http://c) <http://d>",
            "<p>[a](javascript:alert(1)) ![b](http://c) &lt;http://d&gt;</p>",
        ),
        ("{{ 7 * 7 }} %s {0}", "<p>{{ 7 * 7 }} %s {0}</p>"),
    ],
)
def test_the_html_of_a_description(text: str, html: str):
    assert str(to_html(text)).replace(">\n", ">").strip() == html


ELEMENTS = {"p", "strong", "em", "code", "table", "thead", "tbody", "tr", "th", "td"}


@given(st.text(alphabet="*_`|-\n\\ <>&;ab:#[]()!/\"'=\t\r\0", max_size=200))
def test_a_description_holds_no_element_but_those_of_its_markdown(text: str):
    assert set(re.findall(r"</?(\w*)", to_html(text))) <= ELEMENTS
