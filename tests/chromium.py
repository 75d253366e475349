"""A page as Chromium lays it out, without a window: what overflows, and what is hard to read."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# A frame as wide as the screen to try: headless windows themselves cannot be narrower than 500 px.
_MEASURE = """
const ratio = (a, b) => {
  const luminance = c => c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + .05) / (low + .05);
};
const rgba = text => text.match(/[\\d.]+/g).map(Number);
onload = () => {
  const inner = document.querySelector("iframe").contentDocument, view = inner.defaultView;
  const background = element => {
    for (; element; element = element.parentElement) {
      const colour = rgba(view.getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const scrolls = element => element && (["auto", "scroll"].includes(view.getComputedStyle(element).overflowX)
    || scrolls(element.parentElement));
  const wide = [], faint = [], name = e => e.tagName + " " + e.className + " " + e.textContent.trim().slice(0, 40);
  for (const element of inner.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.right > view.innerWidth + 1 && !scrolls(element)) wide.push(name(element));
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (own && box.width && ratio(rgba(view.getComputedStyle(element).color).slice(0, 3), background(element)) < 4.5)
      faint.push(name(element));
  }
  const found = { wide, faint, dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    scroll_width: inner.documentElement.scrollWidth, width: view.innerWidth };
  document.body.innerHTML = "<pre id=found></pre>";
  document.getElementById("found").textContent = JSON.stringify(found);
};
"""


@dataclass(frozen=True)
class LaidOut:
    """What was measured."""

    width: int
    scroll_width: int
    dark: bool
    wide: list[str]
    """Elements that reach past the right edge and are not inside something that scrolls."""
    faint: list[str]
    """Elements whose text has less than WCAG AA's contrast of 4.5 to what is behind it."""


def lay_out(page: Path, width: int, *, dark: bool, folder: Path) -> LaidOut:
    """Lay ``page`` out ``width`` CSS pixels wide, with every ``details`` open."""
    opened = re.sub(r"<details(?! open)", "<details open", page.read_text(encoding="utf-8"))
    frame = f'<iframe srcdoc="{html.escape(opened)}" style="border:0;width:{width}px;height:2000px"></iframe>'
    outer = folder / f"{page.stem}_{width}_{'dark' if dark else 'light'}.html"
    outer.write_text(f"<!doctype html><body>{frame}<script>{_MEASURE}</script>", encoding="utf-8")
    dom = run_chromium(outer, "--dump-dom", dark=dark, folder=folder)
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    return LaidOut(**json.loads(html.unescape(found[1])))


def run_chromium(page: Path, *flags: str, dark: bool, folder: Path) -> str:
    """Chromium's output for a local page; it is given a profile of its own in ``folder`` and no network."""
    assert CHROMIUM
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,2200",
        f"--user-data-dir={folder / 'profile'}", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--host-resolver-rules=MAP * ~NOTFOUND", *flags, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
