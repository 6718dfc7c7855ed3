"""Looks at the console of a server that encrypts and asks for keys, with the key that may only read.

    python seen.py CHROMIUM ORIGIN KEY POINTS
"""

import sys

from playwright.sync_api import sync_playwright


def main():
    program, origin, key, points = sys.argv[1:]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        # The authority of the walk is none that browsers know; that its certificate is good was asked with curl.
        page = chromium.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{origin}/console/")
        page.wait_for_selector("dialog >> text=The server wants a key.")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Use this key").click()
        page.wait_for_selector("dialog", state="detached")
        row = page.get_by_role("row").filter(has_text="passages")
        row.wait_for()
        cells = row.locator("th, td").all_inner_texts()
        assert cells[:3] == ["passages", "open", f"{int(points):,}"], cells
        row.get_by_role("link").click()
        page.wait_for_url("**#/c/passages")
        page.wait_for_selector("text=HNSW")
        chromium.close()


main()
