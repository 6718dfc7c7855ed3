"""The console before a server that asks for keys: nobody, a reader, an administrator.

    python guarded.py CHROMIUM ORIGIN READ_KEY ADMIN_KEY
"""

import sys

from browser import Console
from playwright.sync_api import sync_playwright


def enter(page, key):
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Use this key").click()
    page.wait_for_selector("dialog", state="detached")


def create(page, name):
    page.get_by_label("Name", exact=True).first.fill(name)
    page.get_by_role("button", name="Create").click()


def main():
    program, origin, read, admin = sys.argv[1:]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = Console(chromium, origin, None, None)
        page = tab.page
        with tab.refusal(401):
            tab.open("#/")
            page.wait_for_selector("dialog >> text=The server wants a key.")
            tab.press("Escape")
            page.wait_for_selector("text=a key is needed")
            # It is asked for once, not on every page and every few seconds.
            tab.press("g", "s")
            page.wait_for_selector("text=The metrics are not told")
            assert page.locator("dialog").count() == 0
        page.get_by_role("button", name="Key", exact=True).click()
        enter(page, read)
        page.wait_for_selector("text=This tab sends a key.")
        page.wait_for_selector("text=Calls since the start")
        tab.press("g", "c")
        page.get_by_role("link", name="passages").wait_for()
        with tab.refusal(403):
            page.get_by_role("link", name="New collection").click()
            create(page, "mine")
            page.wait_for_selector("text=may not call")
        page.get_by_role("button", name="Key set").click()
        enter(page, admin)
        create(page, "mine")
        page.wait_for_url("**#/c/mine/import")
        assert not tab.wrong, tab.wrong
        chromium.close()
    print("console: keys passed")


main()
