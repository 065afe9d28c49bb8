#!/usr/bin/env python3
"""Runs every check and every test, and counts them. Called by `make test`, which installs the dependencies first.

    tools/run-tests.py [--jobs N] [--only STEP,...] [--list]

Each step is a build variant with its unit tests, a set of checks, or the integration tests. Rows of TAP output
(cmocka, fuzz replay, the check scripts) and pytest's cases are counted one by one; a build counts as one test. A
program that dies without saying which row failed counts as one failure. The last line is always
"N passed, N failed", with ", N skipped" when something was. Full logs are under build/test-logs.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
LOGS = os.path.join(BUILD, "test-logs")
ONNXRUNTIME = os.path.join(BUILD, "lib", "libonnxruntime.so.1")
TAIL_LINES = 60

# variant: compiler, Meson options. Clang's warnings stop the build with AddressSanitizer, so no plain one is needed.
# AddressSanitizer looks for __cxa_throw when a program starts; without the C++ library, which ONNX Runtime brings
# later, it stops at the first exception.
VARIANTS = {
    "gcc": ("gcc", ["-Dwerror=true", "-Ddebug=false", "-Dfuzz=off"]),
    "asan": ("clang", ["-Dwerror=true", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Doptimization=1",
                       "-Db_asneeded=false", "-Dc_link_args=-lstdc++",
                       "-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer -gline-tables-only"]),
    "onednn3": ("gcc", ["-Dwerror=true", "-Ddebug=false", "-Dfuzz=off", f"-Donednn={BUILD}/venv"]),
    "tsan": ("clang", ["-Db_sanitize=thread", "-Db_lundef=false", "-Doptimization=1", "-Dfuzz=off",
                       "-Dc_args=-gline-tables-only"]),
}

# intercept_tls_get_addr=0: Clang 14's leak checker dies over the thread-local memory of libraries that are loaded while
# threads of OpenMP run.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:halt_on_error=1:abort_on_error=1:"
                    "allocator_may_return_null=1:intercept_tls_get_addr=0",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tools/lsan.supp:print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": f"suppressions={ROOT}/tools/tsan.supp:halt_on_error=1:second_deadlock_stack=1:history_size=4",
}


class Report:
    """What has been counted so far; prints one line per step and the details of failures."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.lock = threading.Lock()

    def add(self, passed=0, failures=(), skips=()):
        with self.lock:
            self.count(passed, failures, skips)

    def count(self, passed, failures, skips):
        self.passed += passed
        self.failed += len(failures)
        self.skipped += len(skips)
        self.failures += failures
        for name in failures:
            print(f"    FAILED  {name}")
        for name in skips:
            print(f"    skipped {name}")
        sys.stdout.flush()

    def finish(self):
        if self.failures:
            print("\nfailed:")
            for name in self.failures:
                print(f"  {name}")
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}")


def environment(**extra):
    # Several programs compute side by side: threads that wait must not spin, and faults may take longer than alone.
    env = dict(os.environ, SKERRY_ONNXRUNTIME=ONNXRUNTIME, LC_ALL="C.UTF-8", OMP_WAIT_POLICY="passive", SKERRY_SLACK="10", **SANITIZER_ENV)
    env.update(extra)
    return env


def run(log_name, cmd, env=None, timeout_s=1500):
    """Runs cmd with its output in a log file; returns (exit status, output). A time-out is status 124."""
    path = os.path.join(LOGS, log_name + ".log")
    with open(path, "w+b") as log:
        try:
            status = subprocess.run(cmd, cwd=ROOT, env=env or environment(), stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=subprocess.STDOUT, timeout=timeout_s).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nkilled after {timeout_s} s\n".encode())
            status = 124
        except FileNotFoundError as e:
            log.write(f"{e}\n".encode())
            status = 127
        log.seek(0)
        return status, log.read().decode(errors="replace")


def show_tail(text):
    for line in text.splitlines()[-TAIL_LINES:]:
        print(f"    | {line}")


def count_tap(prefix, text):
    """(passed, failures, skips) of TAP rows."""
    passed, failures, skips = 0, [], []
    for ok, name, directive in re.findall(r"^(ok|not ok)\b *\d* *-? *([^#\n]*)(#.*)?$", text, re.M):
        name = f"{prefix}: {name.strip()}"
        if re.match(r"# *skip", directive, re.I):
            skips.append(f"{name} ({directive.lstrip('# ')})")
        elif ok == "ok":
            passed += 1
        else:
            failures.append(name)
    return passed, failures, skips


def run_tap(report, name, cmd):
    """A script that prints TAP."""
    status, text = run(name.replace("/", "-"), cmd)
    passed, failures, skips = count_tap(name, text)
    if (status != 0 or passed + len(skips) == 0) and not failures:
        failures = [f"{name} (exit status {status})"]
    if failures:
        show_tail(text)
    report.add(passed, failures, skips)


# ---- steps ----

def step_checks(report, _jobs):
    """layers, headers, pairing, format, scripts"""
    for check in ("layers", "headers", "pairing", "source"):
        run_tap(report, f"check/{check}", [sys.executable, f"tools/check-{check}.py"])


def programs_of(folder, suites):
    """The test programs of some suites, as Ninja's targets."""
    text = subprocess.run(["meson", "introspect", "--tests", folder], capture_output=True, text=True, check=True).stdout
    wanted = {f"skerry:{suite}" for suite in suites}
    return sorted({os.path.relpath(test["cmd"][0], folder) for test in json.loads(text) if wanted & set(test["suite"])})


def build(report, variant, jobs, suites=()):
    """Configures and compiles a variant under build/test/, all of it or the tests of some suites; True when that worked."""
    compiler, options = VARIANTS[variant]
    folder = os.path.join(BUILD, "test", variant)
    setup = ["meson", "setup", folder, f"-Donnxruntime={ONNXRUNTIME}", "--wrap-mode=nodownload", *options]
    for i, step in enumerate(("setup", "compile")):
        if step == "compile":
            cmd = ["ninja", "-C", folder, "-j", str(jobs), *(programs_of(folder, suites) if suites else [])]
        elif os.path.exists(os.path.join(folder, "build.ninja")):
            continue
        else:
            shutil.rmtree(folder, ignore_errors=True)
            cmd = setup
        # Some hundred test programs are linked for each variant: by the quickest linker there is.
        quick = next((name for name in ("mold", "gold") if shutil.which(f"ld.{name}")), None)
        linker = {"CC_LD": quick} if quick else {}
        status, text = run(f"{variant}-build{i}", cmd, environment(CC=compiler, **linker))
        if status != 0:
            show_tail(text)
            report.add(failures=[f"{variant}: build"])
            return False
    report.add(passed=1)
    return True


def suite_flags(suites):
    return [flag for suite in suites for flag in ("--suite", suite)]


def unit_tests(report, variant, jobs, selection):
    folder = os.path.join(BUILD, "test", variant)
    results = os.path.join(folder, "meson-logs", "testlog.json")
    if os.path.exists(results):
        os.remove(results)
    # Twice as many as there are cores: many tests wait most of their time.
    cmd = ["meson", "test", "-C", folder, "--no-rebuild", "--num-processes", str(2 * jobs), "--timeout-multiplier", "4",
           "--print-errorlogs", *selection]
    status, text = run(f"{variant}-tests", cmd)
    if not os.path.exists(results):
        show_tail(text)
        report.add(failures=[f"{variant}: meson test (exit status {status})"])
        return
    with open(results) as f:
        for line in f:
            count_program(report, variant, json.loads(line))


def count_program(report, variant, result):
    """One line of Meson's testlog.json: a test program with its output."""
    name = f"{variant}: {result['name'].removeprefix('skerry:')}"
    output = result.get("stdout", "")
    passed, failures, skips = count_tap(name, output)
    # cmocka skips with "not ok ... # SKIP", which Meson takes for a failure; the program's own status tells.
    is_skip = result["result"] == "FAIL" and result["returncode"] == 0 and skips
    if result["result"] in ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT") and not failures and not is_skip:
        failures = [f"{name} ({result['result'].lower()}, exit status {result['returncode']})"]
    if failures:
        show_tail(output + result.get("stderr", ""))
    report.add(passed, failures, skips)


def has_onednn3():
    return os.path.exists(os.path.join(BUILD, "venv", "include", "dnnl.h"))


def step_gcc(report, jobs):
    """gcc -Werror, unit tests; the threaded suites run with both sanitizers below, those of training with GCC against oneDNN 3"""
    if build(report, "gcc", jobs):
        elsewhere = ("fuzz", "threads", "nn", "arch", "train") if has_onednn3() else ("fuzz", "threads")
        unit_tests(report, "gcc", jobs, [word for suite in elsewhere for word in ("--no-suite", suite)])


def step_asan(report, jobs):
    """clang -Werror, AddressSanitizer, LeakSanitizer, UBSan: unit tests and the fuzz corpus"""
    if build(report, "asan", jobs):
        unit_tests(report, "asan", jobs, [])


def step_tsan(report, jobs):
    """ThreadSanitizer: the threaded suites"""
    if build(report, "tsan", jobs, ["threads"]):
        unit_tests(report, "tsan", jobs, suite_flags(["threads"]))


def step_onednn3(report, jobs):
    """training against oneDNN 3 (its wheel): the same tests as against the system's"""
    if not has_onednn3():
        report.add(skips=["onednn3: there is no wheel of oneDNN 3 for this machine"])
    elif build(report, "onednn3", jobs, ["nn", "arch", "train"]):
        unit_tests(report, "onednn3", jobs, suite_flags(["nn", "arch", "train"]))


def crash_of(text):
    """What Python's fault handler says of the thread that died, without the hundreds of lines that follow."""
    at = text.find("Fatal Python error")
    return text[at:].split("\n\nThread", 1)[0] if at >= 0 else text


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def pytest(report, name, binary, selection, files=("tests/it",)):
    results = os.path.join(LOGS, f"{name}.xml")
    if os.path.exists(results):
        os.remove(results)
    cmd = [os.path.join(BUILD, "venv", "bin", "python"), "-m", "pytest", *files, "-ra", "--tb=short", "-p",
           "no:cacheprovider", f"--junitxml={results}", *selection]
    status, text = run(name, cmd, environment(SKERRY=binary))
    if not os.path.exists(results):
        show_tail(crash_of(text))
        report.add(failures=[f"{name}: pytest (exit status {status})"])
        return
    passed, failures, skips = 0, [], []
    for case in ElementTree.parse(results).iter("testcase"):
        label = f"{name}: {case.get('classname')}.{case.get('name')}"
        kinds = {child.tag: child for child in case}
        if "failure" in kinds or "error" in kinds:
            failures.append(label)
        elif "skipped" in kinds:
            skips.append(f"{label} ({kinds['skipped'].get('message')})")
        else:
            passed += 1
    if status not in (0, 1, 5) and not failures:
        failures.append(f"{name}: pytest (exit status {status})")
    if failures:
        show_tail(text)
    report.add(passed, failures, skips)


def pytest_files(report, step, binary, selection, jobs, having=""):
    """Each file (that has this text) in a process of its own, the large ones first: clients that bring native code,
    threads and event loops of their own (gevent, pandas, ONNX Runtime) meet no other test's, and a crash names its
    file. Three times as many at once as there are cores: most wait most of their time."""
    if not os.path.exists(binary):
        report.add(failures=[f"{step}: {os.path.relpath(binary, ROOT)} was not built"])
        return
    files = [name for name in glob.glob(os.path.join(ROOT, "tests", "it", "test_*.py")) if having in read(name)]
    files.sort(key=lambda name: ("faults" in name, os.path.getsize(name)), reverse=True)  # faults wait most
    with concurrent.futures.ThreadPoolExecutor(3 * jobs) as pool:
        for done in [pool.submit(pytest, report, f"{step}-{os.path.basename(name)[5:-3]}", binary, selection, [name])
                     for name in files]:
            done.result()


def step_it(report, jobs):
    """the real program, driven from Python, a few files at a time; the documents that it prints"""
    binary = os.path.join(BUILD, "test", "gcc", "skerry")
    run_tap(report, "check/docs", [sys.executable, "tools/check-docs.py", "--skerry", binary])
    pytest_files(report, "it", binary, ["-m", "not interop"], jobs)


def step_it_asan(report, jobs):
    """hostile input once more, against the program built with AddressSanitizer"""
    pytest_files(report, "it-asan", os.path.join(BUILD, "test", "asan", "skerry"), ["-m", "hostile"], jobs, having="mark.hostile")


STEPS = {
    "checks": step_checks,
    "gcc": step_gcc,
    "asan": step_asan,
    "tsan": step_tsan,
    "onednn3": step_onednn3,
    "it": step_it,
    "it-asan": step_it_asan,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="steps to run, separated by commas", default=",".join(STEPS))
    parser.add_argument("--list", action="store_true", help="print the steps")
    args = parser.parse_args()
    if args.list:
        for name, step in STEPS.items():
            print(f"{name:8} {step.__doc__}")
        return 0

    os.environ["PATH"] = "/usr/bin:" + os.environ.get("PATH", "")
    os.makedirs(LOGS, exist_ok=True)
    report = Report()
    for name in args.only.split(","):
        if name not in STEPS:
            parser.error(f"no step {name!r}; there are {', '.join(STEPS)}")
        print(f"{name}: {STEPS[name].__doc__}", flush=True)
        start = time.monotonic()
        before = report.passed, report.failed
        try:
            STEPS[name](report, args.jobs)
        except Exception as e:  # a defect of this script must not hide the count
            report.add(failures=[f"{name}: {type(e).__name__}: {e}"])
        print(f"    {report.passed - before[0]} passed, {report.failed - before[1]} failed "
              f"in {time.monotonic() - start:.0f} s", flush=True)
    report.finish()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
