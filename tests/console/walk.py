"""Walks through every page of the console, as a person would: by mouse and by keys, wide and narrow, light and dark.

    python walk.py CHROMIUM ORIGIN PICTURES AXE     ("-" where there is none)
"""

import pathlib
import sys
import time

import modules
import pages
from browser import Api, Console
from playwright.sync_api import sync_playwright


def told(name, walk, *given):
    begun = time.monotonic()
    walk(*given)
    print(f"console: {name} ({time.monotonic() - begun:.1f} s)", flush=True)


def main():
    program, origin, pictures, axe = sys.argv[1:]
    pictures = None if pictures == "-" else pathlib.Path(pictures)
    if pictures:
        pictures.mkdir(parents=True, exist_ok=True)
    if axe == "-":
        print("console: the rules of accessibility are NOT CHECKED, axe-core cannot be fetched")
    rules = None if axe == "-" else pathlib.Path(axe).read_text()
    api = Api(origin)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = lambda width="wide", scheme="light": Console(chromium, origin, rules, pictures, width, scheme)
        told("modules", modules.check, tab())
        told("new collection and import", pages.importing, tab(), api)
        for width in ("wide", "narrow"):
            for name in ("collections", "overview", "points", "query", "recall", "map", "server"):
                told(f"{name}, {width}", getattr(pages, name), tab(width), api)
        for name in ("collections", "query", "recall", "map"):
            told(f"{name}, dark", getattr(pages, name), tab("wide", "dark"), api)
        told("by keys alone", pages.keys, tab(), api)
        told("key, theme, places that are not there", pages.frame, tab(), api)
        chromium.close()
    print("console: all pages passed")


main()
