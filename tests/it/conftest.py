"""Fixtures of the integration tests. The program under test is $SKERRY, or build/test/gcc/skerry; see harness/.

    def test_something(serve, tmp_path):
        server = serve(models.bundle(tmp_path / "m"))        # ready when it returns, stopped and judged afterwards
        assert server.predict(picture)["prediction"] == ...
"""

import importlib.util
import os
import signal
import sys

import pytest

from harness import program
from harness.edge import Edge
from harness.hub import Hub
from harness.iot import IotHub, has_port_443
from harness.mqtt import RawDevice

sys.path.insert(0, os.path.join(program.ROOT, "tools"))
import draw_pages  # noqa: E402
import real_models  # noqa: E402

TEST_S = 600


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test that hangs is interrupted, so that the others still run."""
    def hung(*_):
        raise TimeoutError(f"still running after {TEST_S} s")
    previous = signal.signal(signal.SIGALRM, hung)
    signal.alarm(TEST_S)
    try:
        return (yield)
    except Exception:
        for value in item.funcargs.values():
            if isinstance(value, Edge):
                item.add_report_section("call", f"log of {value.device}", value.log()[-12000:])
        raise
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session", autouse=True)
def skerry():
    """Path of the program; without it nothing can be tested."""
    if not os.access(program.binary(), os.X_OK):
        pytest.exit(f"{program.binary()}: not built (run `tools/run-tests.py --only gcc`, or set SKERRY)", 2)
    return program.binary()


@pytest.fixture
def home(tmp_path):
    """Home, cache and working folder of the processes of one test."""
    path = tmp_path / "home"
    path.mkdir()
    return str(path)


@pytest.fixture
def cli(home):
    """cli("predict", bundle, file, input=..., env=...) runs a command and returns its result."""
    return lambda *args, **kwargs: program.run(*args, home=home, **kwargs)


@pytest.fixture
def serve(home):
    """serve(*args, env=..., ready=True) starts a server; all are stopped and must end cleanly."""
    servers = []

    def start(*args, **kwargs):
        servers.append(program.Server(*args, home=home, **kwargs))
        return servers[-1]

    yield start
    complaints = []
    for server in servers:
        try:
            if server.process.returncode is None:
                server.stop()
        except AssertionError as e:
            complaints.append(str(e))
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub that the tests of one file share: url, ca, tokens["owner"|"reader"|...], data_dir, get(), cli(), ..."""
    with Hub(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture
def start_hub(tmp_path):
    """start_hub("--gc-interval", "1s", host=...) makes and starts a hub for one test; all must end cleanly."""
    hubs = []

    def start(*args, **kwargs):
        folder = tmp_path / f"hub-{len(hubs)}"
        folder.mkdir()
        hubs.append(Hub(folder, *args, **kwargs))
        return hubs[-1]

    yield start
    for running in hubs:
        if running.process.returncode is None:
            running.stop()


@pytest.fixture(scope="module")
def iot(tmp_path_factory):
    """A hub for devices that the tests of one file share (harness/iot.py)."""
    with IotHub(tmp_path_factory.mktemp("iot")) as running:
        yield running


@pytest.fixture
def own_iot(tmp_path):
    """One of a test's own, to kill and restart."""
    with IotHub(tmp_path) as running:
        yield running


@pytest.fixture
def device(iot, request):
    """A new device of that hub, with the test's name, for raw connections (harness/mqtt.py)."""
    return RawDevice(iot, "".join(c if c.isalnum() else "-" for c in request.node.name)[:100])


@pytest.fixture(scope="session")
def port_443():
    """Skips where nobody may listen there: WebSockets of the SDKs know no other port."""
    if not has_port_443():
        pytest.skip("kernel: port 443 is root's")


def photograph(name):
    spec = importlib.util.find_spec("sklearn")
    with open(os.path.join(spec.submodule_search_locations[0], "datasets", "images", name), "rb") as f:
        return f.read()


@pytest.fixture(scope="session")
def china():
    """A real photograph, 640x427, as JPEG bytes."""
    return photograph("china.jpg")


@pytest.fixture(scope="session")
def flower():
    """Another one."""
    return photograph("flower.jpg")


@pytest.fixture(scope="session")
def real_bundles(tmp_path_factory):
    """Bundles of real trained models by name: page-orientation, line-orientation (tools/real_models.py)."""
    made = real_models.make_bundles(str(tmp_path_factory.mktemp("real")))
    assert set(made) == {m["name"] for m in real_models.MODELS}, "a package of tools/requirements-*.txt is missing"
    return made


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """Folder with drawn pages and lines of text: page-0.jpg ... page-270.jpg, line-0.png, line-180.png."""
    folder = str(tmp_path_factory.mktemp("pages"))
    draw_pages.main(folder)
    return folder


@pytest.fixture
def gpu():
    """Skips where there is no NVIDIA GPU."""
    if not os.path.exists("/dev/nvidia0"):
        pytest.skip("hardware: needs an NVIDIA GPU")


@pytest.fixture(scope="session")
def docker():
    """A Docker Engine of the tests' own (harness/docker.py)."""
    from harness.docker import Engine, Unavailable
    try:
        engine = Engine()
        engine.__enter__()
    except Unavailable as e:
        pytest.skip(f"kernel: {e}")
    yield engine
    engine.__exit__()


@pytest.fixture
def browser(tmp_path):
    """A headless Chromium without network beyond loopback, driven by Selenium."""
    from selenium import webdriver
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--disable-dev-shm-usage", "--proxy-server=direct://", "--window-size=1100,900",
                     f"--user-data-dir={tmp_path / 'chromium'}"):
        options.add_argument(argument)
    service = webdriver.ChromeService(executable_path="/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()
