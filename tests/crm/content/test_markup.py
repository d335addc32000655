"""Bold, italic and links in the words of a mail."""

import pytest

from crm.content.markup import marked_up, to_html, to_text
from crm.markers import marker

SITE = "https://casino.example"


@pytest.mark.parametrize(
    ("source", "html", "text"),
    [
        ("**a** and *b*", "<strong>a</strong> and <em>b</em>", "a and b"),
        ("**a *b* c**", "<strong>a <em>b</em> c</strong>", "a b c"),
        ("5 * 3 * 2 ** 4", "5 * 3 * 2 ** 4", "5 * 3 * 2 ** 4"),
        ("a*b*c", "a*b*c", "a*b*c"),
        ("1 < 2 & \"x\"", "1 &lt; 2 &amp; &quot;x&quot;", '1 < 2 & "x"'),
        ("a\r\nb\n\n\n\nc", "a<br>b<br><br>c", "a\nb\n\nc"),
        ("[x](/y)", '<a href="https://casino.example/y" style="color:inherit;">x</a>', "x (https://casino.example/y)"),
        ("[**x**](/y)", '<a href="https://casino.example/y" style="color:inherit;"><strong>x</strong></a>', None),
        ("[x](ftp://y)", "x", "x"),
        ("[x](#y)", "x", "x"),
        ("[x] (y)", "[x] (y)", "[x] (y)"),
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;", "<b>x</b>"),
        ("**unclosed", "**unclosed", "**unclosed"),
        ("\uf5a1x\uf5a2 \uf5a0y\uf5a0", "x y", "x y"),
    ],
)  # fmt: skip
def test_marks_are_read_in_what_is_written(source: str, html: str, text: str | None) -> None:
    assert to_html(marked_up(source), SITE) == html
    if text is not None:
        assert to_text(marked_up(source), SITE) == text


@pytest.mark.parametrize("tag", ["{{ a * b }}", "{{ '**x**' }}", "{% if a == '[x](y)' %}", "{{ x\n| y: '*' }}"])
def test_what_stands_in_a_tag_is_left_alone(tag: str) -> None:
    assert marked_up(f"**{tag}**").strip("\uf5a1\uf5a2") == tag


def test_a_mark_that_only_one_branch_writes_breaks_no_page() -> None:
    shape = marked_up("**{% if x %}a**{% endif %}b")
    assert to_html(shape.replace("{% if x %}", "").replace("\uf5a2", "").replace("{% endif %}", ""), SITE) == "ab"


def test_a_link_that_is_signed_later_is_a_link() -> None:
    assert f'href="{marker("confirm")}"' in to_html(f"\uf5a5{marker('confirm')}\uf5a6yes\uf5a7", SITE)


def test_many_marks_are_read_fast() -> None:
    assert len(marked_up("**a ** " * 9_000)) > 60_000
