"""Text that tries to be more than text: 10,000 strings of all the kinds that break pages, files and terminals."""

from __future__ import annotations

import random
from collections.abc import Iterator

CANARY = "window.canary=1"
SCRIPTS = (
    "<script>{x}</script>", "</script><script>{x}</script>", "</style><script>{x}</script>",
    "--><script>{x}</script>", "</title><script>{x}</script>", "</textarea><img src=x onerror={x}>",
    '"><img src=x onerror="{x}">', "'><svg onload='{x}'>", '<svg><animate onbegin="{x}" attributeName=x dur=1s>',
    '<a href="javascript:{x}">click</a>', "<iframe srcdoc='<script>parent.{x}</script>'></iframe>",
    '<object data="data:text/html,<script>{x}</script>"></object>', "<math href=javascript:{x}>m</math>",
    '<base href="https://example.com/">', '<meta http-equiv=refresh content="0;url=https://example.com">',
    '<link rel=stylesheet href="//example.com/x.css">', "<form action=//example.com><button>go</button></form>",
    '" autofocus onfocus="{x}" x="', "' onmouseover='{x}", "`onclick={x}`", "<b onclick={x}>b</b>",
    "<img srcset='//example.com/x 1x'>", "<details open ontoggle={x}>", "<body onload={x}>", "&lt;script&gt;{x}",
    "&#60;script&#62;{x}&#60;/script&#62;", "\\u003cscript\\u003e{x}", "<!--", "<![CDATA[", "<?xml version='1.0'?>",
)  # fmt: skip
LINKS = (
    "javascript:{x}", "JaVaScRiPt:{x}", "data:text/html;base64,PHNjcmlwdD4=", "https://example.com/?a={x}",
    "www.example.com", "a@example.com", "[x](javascript:{x})", "![x](https://example.com/x.png)", "<https://example.com>",
    "[x]: https://example.com", "//example.com/x.js", "file:///etc/passwd", "vbscript:{x}",
)  # fmt: skip
MARKUP = (
    "---", "\n---\nlicense: mit\n---\n", "# heading", "\n\n# heading\n", "| a | b |", "\n|---|---|\n", "```", "~~~",
    "    code",
    "- item", "1. item", "> quote", "**bold**", "__bold__", "$x^2$", "$$x$$", "{x}: &a *a", "!!python/object:os.system",
    "key: value", "[a, b", "{{a: b", "'unclosed", '"unclosed', "]]>", "<a>&b;</a>", "&amp;&lt;", "%(x)s", "%s%n",
    "{{0}}",
    "{{{{ 7*7 }}}}", "{{% include 'x' %}}", "${{x}}", "$(x)", "`id`", "%{{x}}", "<b>b</b><br>%{{customdata}}",
    "<sup>1</sup>", "<extra></extra>", "::error::x", "::set-output name=a::b", "##[error]x", "=1+1", "+1", "-1",
    "@SUM(A1)",
    '=HYPERLINK("http://example.com";"x")', "=cmd|' /C calc'!A0", "\t=1", ",;\"'", "null", "true", "~", "NaN",
    "1e999", "",
)  # fmt: skip
UNSEEN = (
    "\x1b[31mred\x1b[0m", "\x1b]8;;https://example.com\x1b\\x", "\x1b[2J", "\x9b31m", "\x00", "\x07\x08", "\r", "a\rb",
    "\r\n",
    "\u202etxt.exe", "\u2066a\u2069", "\u200b\u200c\u200d", "\ufeff", "\u2028", "\u2029", "\u0085", "\x0b\x0c", "\x7f",
    "\ufffe\uffff", "e" + "\u0301" * 30, "\U000e0041", "\U0001f469\u200d\U0001f4bb", "\u0130\u0131", "\u00ad",
)  # fmt: skip
FOLDERS = ("images/", "../", "C:\\", "/home/a/")
KINDS = (SCRIPTS, LINKS, MARKUP, UNSEEN)


def hostile_strings(count: int, seed: int = 0) -> list[str]:
    """Return different strings, each of one to four pieces; one in 500 is very long."""
    return list(dict.fromkeys(_made(count, random.Random(seed))))[:count]


def _made(count: int, draw: random.Random) -> Iterator[str]:
    for number in range(2 * count):
        pieces = [draw.choice(draw.choice(KINDS)) for _ in range(draw.choice((1, 1, 2, 2, 3, 4)))]
        text = (
            draw.choice(("", " ", "x", "/")).join(pieces).replace("{x}", CANARY).replace("{{", "{").replace("}}", "}")
        )
        if draw.random() < 0.3:
            text = text.upper() if draw.random() < 0.3 else draw.choice(FOLDERS) + text
        yield text * (20_000 // (len(text) or 1)) if number % 500 == 499 else f"{text}{number % 97 or ''}"
