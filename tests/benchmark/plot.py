"""A picture of the cost of a request against the number of credentials, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.benchmark.measure import Measured

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 900, 480, 70, 30, 220, 50
COLOURS = ("#1b6ca8", "#c8553d", "#2e8b57", "#8d5fa8", "#b8860b", "#008b8b", "#c71585", "#556b2f", "#4b4b4b", "#e07b00")


def cost_against_size(measured: Sequence[Measured]) -> str:
    """Draw CPU µs a request (both scales logarithmic) against the number of credentials, a line a row."""
    rows: dict[str, list[tuple[int, float]]] = {}
    for one in measured:
        if one.size and (cost := one.median("cpu_us")) and not one.errors:
            rows.setdefault(one.row, []).append((one.size, cost))
    points = [point for line in rows.values() for point in line]
    frame = _Frame([size for size, _ in points] or [1], [cost for _, cost in points] or [1.0])
    drawn = [frame.line(i, row, sorted(line)) for i, (row, line) in enumerate(rows.items())]
    return "\n".join([_head(), *frame.axes(), *drawn, "</svg>", ""])


class _Frame:
    """The scales of the picture."""

    def __init__(self, sizes: Sequence[int], costs: Sequence[float]) -> None:
        self._sizes = sorted(set(sizes))
        self._least, self._most = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)) + 1e-9)
        self._most = max(self._most, self._least + 1)

    def x(self, size: float) -> float:
        """Return the place of a number of credentials; a single one is in the middle."""
        least, most = math.log10(self._sizes[0]), math.log10(self._sizes[-1])
        share = (math.log10(size) - least) / (most - least) if most > least else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, cost: float) -> float:
        """Return the place of a cost."""
        share = (math.log10(cost) - self._least) / (self._most - self._least)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def axes(self) -> list[str]:
        """Draw the grid: the sizes that were measured, and 1, 2 and 5 of every power of ten."""
        costs = [step * 10**power for power in range(self._least, self._most) for step in (1, 2, 5)]
        grid = [_segment(LEFT, y, WIDTH - RIGHT, y) + _text(LEFT - 8, y + 4, f"{cost:g}", "end")
                for cost in [*costs, 10**self._most] for y in [self.y(cost)]]  # fmt: skip
        grid += [_segment(x, TOP, x, HEIGHT - BOTTOM) + _text(x, HEIGHT - BOTTOM + 18, f"{size:,}", "middle")
                 for size in self._sizes for x in [self.x(size)]]  # fmt: skip
        middle = (LEFT + WIDTH - RIGHT) / 2
        return [*grid, _text(middle, HEIGHT - 10, "credentials", "middle"), _text(8, 18, "CPU µs a request", "start")]

    def line(self, number: int, row: str, points: Sequence[tuple[int, float]]) -> str:
        """Draw a row, with its name in the key at the right."""
        colour = COLOURS[number % len(COLOURS)]
        places = [(self.x(size), self.y(cost)) for size, cost in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)
        beside, height = WIDTH - RIGHT + 10, TOP + 10 + 22 * number
        name = _text(beside + 24, height + 4, row, "start")
        key = _segment(beside, height, beside + 18, height, colour, 3)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}{key}{name}'


def _head() -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    style = 'font-family="sans-serif" font-size="13" fill="#222"'
    title = "<title>Cost of a request against the number of credentials</title>"
    ground = '<rect width="100%" height="100%" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box} {style} role="img">{title}{ground}'


def _segment(x1: float, y1: float, x2: float, y2: float, colour: str = "#ddd", width: int = 1) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
