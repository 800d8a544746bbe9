"""The comparison as one self-contained HTML file, which reads well on a screen, a phone and on paper."""

from __future__ import annotations

from jinja2 import Environment

from app.comparison.report import Report

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Credentials compared</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; padding: 1rem; max-width: 90rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8886; padding: .5rem; text-align: start; vertical-align: top }
td strong { display: none }
small { opacity: .8 }
.contradiction { outline: 2px solid #c00 }
@media (max-width: 60rem) {
  thead { display: none }
  tr, th, td { display: block; border: 0 }
  tr { border-bottom: 1px solid #8886; padding: .5rem 0 }
  td strong { display: block }
}
@media print { body { font-size: 9px; max-width: none } tr { break-inside: avoid } }
</style>
</head>
<body>
<h1>Credentials compared</h1>
<p>{{ report.issuer }}, {{ report.at.strftime("%Y-%m-%d %H:%M") }} UTC.
{% if report.contradictions %}<strong>{{ report.contradictions|length }} contradictions of the contract.</strong>
{%- else %}No probe contradicts the contract.{% endif %}</p>
<table>
<thead><tr><th scope="col">Row</th>
{%- for title in columns.values() %}<th scope="col">{{ title }}</th>{% endfor %}</tr></thead>
<tbody>
{%- for row in report.rows %}
<tr><th scope="row">{{ row.title }}<br>
<small>{{ "measured" if row.measured else "stated" }}: {{ row.source }}</small></th>
{%- for key, title in columns.items() %}{% set cell = row.cells[key] %}
<td{% if cell.agrees is false %} class="contradiction"{% endif %}><strong>{{ title }}</strong>{{ cell.text }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</body>
</html>
"""


def as_html(report: Report, columns: dict[str, str]) -> str:
    """Give the page; every text is escaped."""
    return Environment(autoescape=True).from_string(TEMPLATE).render(report=report, columns=columns)
