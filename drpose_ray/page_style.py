"""How every HTML report looks: one palette for light and dark, text that wraps on a phone, wide things that scroll.

A report is one file that loads nothing, so the style is text that each page carries.
``tests/test_reports_in_chromium.py`` measures overflow and contrast at 360 and 1280 px in both palettes.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #59636d; --line: #dfe3e7; --paper: #fff; --wash: #f4f6f8;
  --good: #08683f; --unsure: #7a5200; --bad: #a8231c; --note: #fff6da; --note-line: #d99a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaed; --soft: #a7b0b9; --line: #363d44; --paper: #1b2025;
  --wash: #12161a; --good: #5fd3a0; --unsure: #e8bd62; --bad: #ff9a90; --note: #332a12; --note-line: #b98a1d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--wash); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
main { max-width: 1320px; margin: 0 auto; padding: clamp(16px, 3vw, 40px) clamp(12px, 3vw, 32px) 64px; }
h1 { font-size: clamp(22px, 3.4vw, 34px); line-height: 1.2; margin: 0 0 12px; letter-spacing: -.01em; }
h2 { font-size: clamp(18px, 2vw, 22px); margin: 44px 0 12px; }
h3 { font-size: 16px; margin: 0 0 8px; }
p { margin: 0 0 12px; max-width: 80ch; }
figure { margin: 0 0 20px; }
img { max-width: 100%; display: block; background: #fff; border-radius: 4px; }
figcaption, .soft, small { color: var(--soft); font-size: 13px; }
.card { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: clamp(12px, 2vw, 20px);
  margin: 0 0 16px; }
.note { background: var(--note); border-left: 4px solid var(--note-line); padding: 10px 14px; margin: 16px 0; }
.scroll { overflow-x: auto; }
.plot { overflow-x: auto; }
.plot img { min-width: min(100%, 760px); }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 12px; border-top: 1px solid var(--line); vertical-align: top;
  overflow-wrap: normal; }
th:first-child, td:first-child { text-align: left; padding-left: 0; min-width: 130px; }
thead th, tr:first-child > th { border-top: 0; font-weight: 600; color: var(--soft); }
summary { cursor: pointer; color: var(--soft); }
pre { font-size: 12px; line-height: 1.45; overflow-x: auto; margin: 8px 0 0; }
@media (max-width: 700px) { .plot img { min-width: 640px; } }
"""
