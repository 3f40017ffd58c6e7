"""Take the pictures of the documentation: ``python scripts/screenshots.py``, or with another folder for them.

A project is made, trained and served on the embedded runtime in a temporary folder; a headless Chromium opens
the API's page and asks for a prediction. Pictures are kept as WebP.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = {"page": (1280, 860), "page-phone": (390, 844)}


def main(target=ROOT / "docs" / "_static"):
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "tumours"
        try:
            url = serve(project)
            for name, size in PICTURES.items():
                picture = photograph(url, size, Path(folder) / name)
                path = Path(target) / f"{name}.webp"
                picture.save(path, "WEBP", quality=80, method=6)
                print(
                    f"{path.name}: {picture.size[0]} x {picture.size[1]}, {path.stat().st_size // 1024} KiB"
                )
        finally:
            if project.exists():
                mlpipes(project, "down", "--volumes", "--yes")


def mlpipes(project, *arguments):
    """One command in the project's folder; what it printed as JSON."""
    binary = Path(sys.executable).parent / "mlpipes"
    done = subprocess.run([binary, "--json", *arguments], cwd=project, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout or "null")


def serve(project):
    """The address of an API over a promoted model."""
    mlpipes(project.parent, "init", project.name, "--example", "breast-cancer")
    mlpipes(project, "up", "--runtime", "embedded")
    mlpipes(project, "train", "--only", "logistic")
    mlpipes(project, "promote", "--metric", "ks", "--reason", "first model")
    mlpipes(project, "serve", "--detach")
    mlpipes(project, "predict", "data/new_rows.csv")
    services = {service["name"]: service for service in mlpipes(project, "status")["services"]}
    return services["api"]["url"]


def photograph(url, size, folder):
    """The page in a window of that size, with a prediction shown."""
    from PIL import Image
    from selenium import webdriver
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    flags = ["headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "lang=en-US"]
    for flag in [*flags, "no-proxy-server", "hide-scrollbars", f"user-data-dir={folder}"]:
        options.add_argument(f"--{flag}")
    service = webdriver.ChromeService(shutil.which("chromedriver"), env=os.environ | {"TZ": "UTC"})
    driver = webdriver.Chrome(options=options, service=service)
    try:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(f"{url}/")
        until(lambda: driver.find_element(By.ID, "main").is_displayed(), "the page")
        driver.find_element(By.ID, "predict").click()
        until(lambda: driver.find_elements(By.CSS_SELECTOR, "#result .said strong"), "a prediction")
        driver.execute_script("window.scrollTo(0, 0)")
        return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    finally:
        driver.quit()


def until(true, what, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"error: {what} did not appear within {seconds} s")
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:2])
