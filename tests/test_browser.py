"""The findings of axe: texts that look alike are measured three times, any other text always."""

import pytest

from tests.browser import Browser

GRAY = "color: #999"  # 2.8:1 on white
ROWS = "".join(f"<li id=row{n}>{'Long' if n else '→'} name <em>of number {n}</em></li>" for n in range(20))
PAGE = f"<html lang=en><title>A list</title><main><h1>A list</h1><ul>{ROWS}</ul></main>"


@pytest.mark.parametrize(
    ("where", "style"),
    [("li", ""), ("#row17", GRAY), ("#row17 em", "opacity: 0.3"), ("li", "background-color: #444"), ("em", GRAY)],
)
def test_a_weak_contrast_of_one_text_or_of_all_is_found(browser: Browser, where: str, style: str) -> None:
    with browser.page() as watched:
        watched.page.set_content(PAGE)
        watched.page.evaluate(
            "([where, style]) => document.querySelectorAll(where).forEach(one => { one.style = style })", [where, style]
        )
        found = watched.serious_findings()
        assert [one.split(":")[1].strip() for one in found] == (["color-contrast"] if style else [])
        assert watched.page.evaluate("document.querySelectorAll('[data-alike]').length") == 0
