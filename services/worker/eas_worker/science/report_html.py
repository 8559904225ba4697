"""The report as one HTML file that needs nothing else: the page as an embedded picture, the numbers as a table."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; margin-bottom: 0; overflow-wrap: anywhere; }
p { color: #555; margin-top: .2rem; overflow-wrap: anywhere; }
img { width: 100%; height: auto; border: 1px solid #ddd; }
table { border-collapse: collapse; margin-top: 1rem; }
caption { text-align: left; font-weight: bold; padding-bottom: .3rem; }
th, td { text-align: left; padding: .15rem 1.5rem .15rem 0; border-bottom: 1px solid #e4e4e4; font-weight: normal; }
td { font-variant-numeric: tabular-nums; }
"""


def write_html(title: str, subtitle: str, rows: Sequence[tuple[str, str]], picture: bytes) -> str:
    """Write the document. All text is escaped; it runs no script and loads nothing.

    Parameters
    ----------
    title, subtitle
        Plain text.
    rows
        Names and values of the table.
    picture
        The page as PNG.
    """
    table = "\n".join(
        f'<tr><th scope="row">{escape(name.strip())}</th><td>{escape(value)}</td></tr>' for name, value in rows
    )
    image = base64.b64encode(picture).decode("ascii")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>{escape(subtitle)}</p>
<img alt="Report page: full series, periodogram, folded light curve, odd and even transits, secondary eclipse" \
src="data:image/png;base64,{image}">
<table>
<caption>Numbers</caption>
<tbody>
{table}
</tbody>
</table>
</body>
</html>
"""
