"""Figures are scikit-learn's, and the page is looked at in a real browser. Spec: docs/spec/evaluate.md."""

import json
import os
import re
import subprocess
import warnings

import numpy as np
import pytest
from sklearn import metrics

from harness import program

TOOL = os.path.join(os.path.dirname(program.binary()), "tests", "report", "report_tool")
SHOTS = os.path.join(program.ROOT, "build", "screenshots")


def tool(*args, rows=None):
    text = None
    if rows:
        truth, probabilities = rows
        lines = [" ".join([str(t), *(f"{p:.9g}" for p in row)]) for t, row in zip(truth, probabilities)]
        text = "\n".join([str(probabilities.shape[1]), *lines, ""])
    done = subprocess.run([TOOL, *map(str, args)], input=text, capture_output=True, text=True, timeout=60)
    program.assert_clean(done.stderr)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(seed, classes, count, levels=None, skill=1.0, absent=()):
    """Made-up answers; levels: so few different scores that many are tied."""
    random = np.random.default_rng(seed)
    truth = random.choice([c for c in range(classes) if c not in absent], count)
    scores = random.normal(size=(count, classes)) + skill * np.eye(classes)[truth]
    if levels:
        scores = np.round(scores * levels) / levels
    p = np.exp(scores)
    p = (p / p.sum(1, keepdims=True)).astype(np.float32)
    if levels and classes == 2:  # exactly equal, as the same picture twice would be
        p[:, 1] = 1 - p[:, 0]
    return truth, p


CASES = {
    "two": make(1, 2, 500),
    "two, tied": make(2, 2, 400, levels=1),
    "two, all but sure": make(3, 2, 300, skill=30),
    "two, worse than chance": make(4, 2, 200, skill=-2),
    "two, few": make(5, 2, 5),
    "three": make(6, 3, 300),
    "ten, two absent": make(7, 10, 200, absent=(3, 8)),
    "a hundred, few pictures": make(8, 100, 60),
    "certain and wrong": (np.array([0, 1, 1]), np.array([[0, 1], [1, 0], [0, 1]], np.float32)),
}


@pytest.mark.parametrize("case", CASES)
def test_figures_are_those_of_scikit_learn(case):
    truth, p = CASES[case]
    classes = p.shape[1]
    ours = json.loads(tool("figures", "-", rows=CASES[case]))
    said = p.argmax(1)
    labels = list(range(classes))
    assert ours["count"] == len(truth) and ours["labels"] == [f"class {i}" for i in labels]
    assert ours["accuracy"] == metrics.accuracy_score(truth, said)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = metrics.log_loss(truth, p.astype(np.float64), labels=labels)
        macro = metrics.f1_score(truth, said, average="macro", zero_division=0)
        parts = metrics.precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    assert ours["loss"] == pytest.approx(loss, rel=1e-12)
    assert ours["macro_f1"] == pytest.approx(macro, rel=1e-12)
    assert ours["confusion_matrix"] == metrics.confusion_matrix(truth, said, labels=labels).tolist()
    for label, *wanted in zip(ours["labels"], *parts):
        got = ours["per_class"][label]
        assert [got["precision"], got["recall"], got["f1"], got["support"]] == pytest.approx(wanted, rel=1e-12)
    assert ("roc_auc" in ours) == (classes == 2)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("case", [name for name in CASES if CASES[name][1].shape[1] == 2])
def test_curves_are_those_of_scikit_learn(case, positive):
    truth, p = CASES[case]
    ours = json.loads(tool("figures", f"class {positive}", rows=CASES[case]))
    is_positive, score = truth == positive, p[:, positive]
    assert ours["roc_auc"] == pytest.approx(metrics.roc_auc_score(is_positive, score), rel=1e-12)
    assert ours["average_precision"] == pytest.approx(metrics.average_precision_score(is_positive, score), rel=1e-12)
    fpr, tpr, thresholds = metrics.roc_curve(is_positive, score, drop_intermediate=False)
    x, y, t = np.array(ours["roc"]).T
    assert x == pytest.approx(fpr, abs=1e-12) and y == pytest.approx(tpr, abs=1e-12)
    assert t[1:].astype(np.float32).tolist() == thresholds[1:].astype(np.float32).tolist()
    precision, recall, thresholds = metrics.precision_recall_curve(is_positive, score)
    x, y, t = np.array(ours["pr"]).T
    assert x == pytest.approx(recall[::-1], abs=1e-12) and y == pytest.approx(precision[::-1], abs=1e-12)
    assert t[1:].astype(np.float32).tolist() == thresholds[::-1].astype(np.float32).tolist()


@pytest.mark.parametrize("rate", [0, 0.001, 0.01, 0.05, 0.1, 1 / 3, 0.5, 0.99, 1])
@pytest.mark.parametrize("case", ["two", "two, tied", "two, few", "two, worse than chance"])
def test_threshold_misses_no_more_than_asked(case, rate):
    truth, p = CASES[case]
    ours = json.loads(tool("threshold", rate, rows=CASES[case]))
    is_positive, score = truth == 0, p[:, 0]

    def at(threshold):
        said = score >= np.float32(threshold)
        return (~said)[is_positive].mean(), said[~is_positive].mean(), is_positive[said].mean()
    missed, alarms, precision = at(ours["threshold"])
    assert missed <= rate
    assert [ours["false_negative_rate"], ours["false_positive_rate"], ours["precision"]] == pytest.approx(
        [missed, alarms, precision], abs=1e-12)
    assert ours["recall"] == pytest.approx(1 - missed, abs=1e-12)
    higher = score[score > np.float32(ours["threshold"])]
    assert len(higher) == 0 or at(higher.min())[0] > rate  # it is the highest that will do


PAGES = {"two-50": (2, 50, "n"), "three-1": (3, 1, "v"), "hundred-50": (100, 50, "x"), "fifteen": (15, 0, "n"),
         "perfect": (2, 5, "p"), "not-measured": (2, 300, "f"), "hostile": (2, 12, "hx"), "many": (300, 0, "n")}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_one_harmless_file(name):
    page = tool("page", *PAGES[name])
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
    assert "<script" not in page and not re.search(r"(?:src|href)=\"(?!data:image/jpeg;base64,)", page)
    assert "://" not in page and "url(" not in page
    assert not re.search(r"[^a-z]nan[^a-z]|[^a-z]inf[^a-z]", re.sub(r"base64,[^\"]*", "", page))
    opened = re.findall(r"<(div|section|table|tr|td|th|ul|li|figure|svg|dl|details|p|bdi|b)[ >]", page)
    closed = re.findall(r"</(div|section|table|tr|td|th|ul|li|figure|svg|dl|details|p|bdi|b)>", page)
    assert {tag: opened.count(tag) for tag in opened} == {tag: closed.count(tag) for tag in opened}


@pytest.mark.browser
@pytest.mark.parametrize("width, scheme", [(1100, "light"), (1100, "dark"), (360, "light")])
@pytest.mark.parametrize("name", PAGES)
def test_page_in_a_browser(browser, tmp_path, name, width, scheme):
    (tmp_path / "report.html").write_text(tool("page", *PAGES[name]))
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500})
    browser.get(f"file://{tmp_path}/report.html")
    script = browser.execute_script
    assert script("return document.documentElement.scrollWidth") <= width  # nothing sticks out
    assert script("return document.scripts.length") == 0
    assert script("return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('data:')).length") == 0
    assert script("return [...document.images].every(i => i.naturalWidth > 0)")
    assert script("return [...document.querySelectorAll('svg:not([aria-hidden])')].every(s => s.getAttribute('aria-label'))")
    back = script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) < 384) == (scheme == "dark")
    assert not browser.get_log("browser")
    # Text in a tinted cell can be read: contrast as WCAG 2 has it. The tint lies over the card.
    for ratio in script(CONTRAST):
        assert ratio >= 4.5
    os.makedirs(SHOTS, exist_ok=True)
    height = script("return document.documentElement.scrollHeight")
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": min(height, 6000),
                                                                  "deviceScaleFactor": 1, "mobile": width < 500})
    browser.save_screenshot(os.path.join(SHOTS, f"report-{name}-{width}-{scheme}.png"))


CONTRAST = """
const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
const light = c => { const v = c.slice(0, 3).map(x => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4; });
  return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
const card = document.querySelector('.card');
if (!card) return [];
const under = parse(getComputedStyle(card).backgroundColor);
return [...document.querySelectorAll('.matrix td.right, .matrix td.wrong, .matrix td.zero')].map(td => {
  const s = getComputedStyle(td), over = parse(s.backgroundColor), ink = parse(s.color);
  const back = [0, 1, 2].map(i => over[i] * over[3] + under[i] * (1 - over[3]));
  const a = light(back), b = light(ink);
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
});
"""
