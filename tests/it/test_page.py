"""The page at /, in a real headless Chromium without any network but this server."""

import os
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from harness import models, program

pytestmark = pytest.mark.browser
SHOTS = os.path.join(program.ROOT, "build", "screenshots")


def shoot(browser, name):
    os.makedirs(SHOTS, exist_ok=True)
    browser.save_screenshot(os.path.join(SHOTS, name))


def choose(browser, path):
    browser.find_element(By.ID, "file").send_keys(str(path))


def rows(browser):
    return [(r.find_element(By.CSS_SELECTOR, ".name span:first-child").text,
             float(r.find_element(By.CSS_SELECTOR, ".name span:last-child").text.rstrip(" %")))
            for r in browser.find_elements(By.CLASS_NAME, "row")]


def test_choose_a_picture(serve, browser, real_bundles, pages):
    server = serve(real_bundles["page-orientation"], real_bundles["line-orientation"])
    browser.get(server.base + "/")
    WebDriverWait(browser, 120).until(lambda b: "onnxruntime" in b.find_element(By.ID, "about").text)
    assert browser.find_element(By.ID, "model").is_displayed()
    browser.find_element(By.CSS_SELECTOR, "#model option[value='page-orientation']").click()
    path = os.path.join(pages, "page-90.jpg")
    choose(browser, path)
    WebDriverWait(browser, 120).until(lambda b: len(rows(b)) == 4)
    labels = rows(browser)
    assert labels[0][0] == "90" and labels[0][1] > 50
    assert abs(sum(p for _, p in labels) - 100) < 0.5
    assert "ms round trip" in browser.find_element(By.ID, "times").text
    assert "infer" in browser.find_element(By.ID, "times").text
    curl = browser.find_element(By.ID, "curl").text
    assert curl.startswith("curl -F 'image=@page-90.jpg'") and server.address in curl
    time.sleep(0.3)
    shoot(browser, "page.png")

    # The same command in a shell gives the same answer.
    import json
    import subprocess
    done = subprocess.run(curl, shell=True, cwd=pages, capture_output=True, check=True)
    assert json.loads(done.stdout)["prediction"] == "90"
    assert not [e for e in browser.get_log("browser") if e["level"] == "SEVERE" and "favicon" not in e["message"]]


def test_errors_are_shown(serve, browser, tmp_path):
    server = serve(models.bundle(tmp_path / "m"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"not a picture")
    browser.get(server.base + "/")
    choose(browser, broken)
    WebDriverWait(browser, 120).until(lambda b: b.find_element(By.ID, "error").is_displayed())
    assert "jpeg" in browser.find_element(By.ID, "error").text
    shoot(browser, "page-error.png")


def test_a_key_is_asked_for(serve, browser, tmp_path, pages):
    (tmp_path / "key").write_text("0123456789abcdef0123\n")
    server = serve(models.bundle(tmp_path / "m"), "--api-key-file", tmp_path / "key")
    browser.get(server.base + "/")
    choose(browser, os.path.join(pages, "page-0.jpg"))
    WebDriverWait(browser, 120).until(lambda b: b.find_element(By.ID, "key-field").is_displayed())
    field = browser.find_element(By.ID, "key")
    field.send_keys("0123456789abcdef0123")
    browser.execute_script("arguments[0].dispatchEvent(new Event('change'))", field)
    WebDriverWait(browser, 120).until(lambda b: len(rows(b)) == 3)
    assert "Authorization: Bearer YOUR-KEY" in browser.find_element(By.ID, "curl").text
