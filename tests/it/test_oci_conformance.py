"""The conformance suite of the OCI distribution specification, built by tools/interop.sh. Run by `make interop`."""

import os
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness import program

SUITE = os.path.join(program.ROOT, "build", "oci-conformance")

pytestmark = pytest.mark.interop


def test_every_case(hub, tmp_path):
    """With what is optional switched on, too."""
    env = {**os.environ, "OCI_REGISTRY": hub.address, "OCI_TLS": "enabled", "SSL_CERT_FILE": hub.ca, "OCI_USERNAME": "x",
           "OCI_PASSWORD": hub.tokens["publisher"], "OCI_RESULTS_DIR": str(tmp_path), "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
           "OCI_API_MANIFESTS_TAG_PARAM": "true", "OCI_API_BLOBS_DIGEST_HEADER": "true", "OCI_API_MANIFESTS_DIGEST_HEADER": "true"}
    done = subprocess.run([SUITE], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    cases = list(ElementTree.parse(tmp_path / "junit.xml").iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    assert not failed, f"{len(failed)} of {len(cases)} failed: {failed[:20]}\n{done.stdout[-3000:]}"
    assert done.returncode == 0 and len(cases) > 780  # each failure adds some that name it
