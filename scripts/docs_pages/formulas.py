"""Formulas of the site: ```math fences, drawn into the page, so that no script has to be fetched to show them."""

from __future__ import annotations

import io
import re
import zlib
from html import escape
from typing import Any


def drawn(source: str, language: str, css_class: str, options: dict[str, Any], md: Any, **kwargs: Any) -> str:
    """A fence's lines as one SVG each, in the colour of the text around it; what it says stands in its label."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import math_to_image

    pictures = []
    for line in filter(None, map(str.strip, source.splitlines())):
        stream = io.BytesIO()
        math_to_image(f"${line}$", stream, prop=FontProperties(size=13), format="svg")
        svg = stream.getvalue().decode("utf-8")
        svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
        svg = re.sub(r'<g id="patch_1">.*?</g>', "", svg, count=1, flags=re.DOTALL)  # the white ground
        ours = re.sub(r'(id="|href="#)', rf"\g<1>f{zlib.crc32(line.encode()):x}", svg)
        ours = ours.replace("<svg ", f'<svg role="img" aria-label="{escape(line)}" fill="currentColor" ', 1)
        pictures.append(f'<p class="{css_class}">{ours}</p>')
    return "\n".join(pictures)
