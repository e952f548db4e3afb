"""Charts: lines over time and bars, as SVG that needs nothing to be drawn."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

COLOURS = ("#0b7285", "#e8590c", "#868e96", "#7048e8", "#2b8a3e", "#c2255c")
"""The first is ours."""
WIDTH, HEIGHT, LEFT, TOP = 640, 190, 60, 40
STEPS = 4

Line = Sequence[tuple[float, float]]


def page(*charts: str) -> str:
    """Charts below each other."""
    drawn = (f'<g transform="translate(0 {n * (HEIGHT + 3 * TOP)})">{chart}</g>' for n, chart in enumerate(charts))
    size = f'viewBox="0 0 {WIDTH + LEFT + 160} {len(charts) * (HEIGHT + 3 * TOP)}"'
    style = 'font-family="sans-serif" font-size="13" style="background:#fff"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(drawn) + "\n</svg>\n"


def lines(title: str, series: Mapping[str, Line], most: float) -> str:
    """A line for each of the series, up to `most`; seconds to the right."""
    last = max(x for line in series.values() for x, _ in line)
    parts = [_frame(title, most), _text(LEFT + WIDTH, TOP + HEIGHT + 18, f"{last:.0f} s", "end")]
    for colour, line in zip(COLOURS, series.values(), strict=False):
        points = " ".join(f"{LEFT + x / last * WIDTH:.1f},{_height(y, most):.1f}" for x, y in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
    return "\n".join([*parts, *_legend(series)])


def bars(title: str, groups: Mapping[str, Mapping[str, float]], most: float) -> str:
    """A group of bars for each name, one bar in it for each of its figures."""
    parts = [_frame(title, most)]
    for number, (name, figures) in enumerate(groups.items()):
        left, width = LEFT + (number + 0.1) * WIDTH / len(groups), 0.8 * WIDTH / len(groups) / len(figures)
        parts.append(_text(left, TOP + HEIGHT + 18, name))
        for place, (colour, figure) in enumerate(zip(COLOURS, figures.values(), strict=False)):
            x, y = left + place * width, _height(figure, most)
            size = f'width="{width - 1:.1f}" height="{TOP + HEIGHT - y:.1f}"'
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')
            parts.append(f'<g font-size="10">{_text(x, y - 3, f"{figure:.2f}")}</g>')
    return "\n".join([*parts, *_legend(next(iter(groups.values())))])


def _height(y: float, most: float) -> float:
    return TOP + HEIGHT * (1 - min(y, most) / most)


def _frame(title: str, most: float) -> str:
    parts = [f'<g font-weight="bold">{_text(LEFT, TOP - 18, title)}</g>']
    for step in range(STEPS + 1):
        y = _height(most * step / STEPS, most)
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#dee2e6"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{most * step / STEPS:g}", "end"))
    return "\n".join(parts)


def _legend(names: Iterable[str]) -> list[str]:
    rows = list(zip(COLOURS, names, strict=False))
    return [
        f'<rect x="{LEFT + WIDTH + 16}" y="{TOP + 20 * row}" width="12" height="12" fill="{colour}"/>'
        + _text(LEFT + WIDTH + 34, TOP + 20 * row + 11, name)
        for row, (colour, name) in enumerate(rows)
    ]


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
