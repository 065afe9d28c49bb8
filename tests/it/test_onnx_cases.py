"""The operator test cases that the onnx package ships, through the V2 endpoint: every type and shape that ONNX Runtime
runs in Python must come out the same, bit for bit, of the server.

The cases are the conformance suite of the standard; what ONNX Runtime itself lacks is left out by asking it first.
"""

import re
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import tritonclient.http as triton
from onnx import TensorProto
from onnx.backend.test.case.node import collect_testcases

CHUNK = 400
NAMES = {TensorProto.BOOL: "BOOL", TensorProto.UINT8: "UINT8", TensorProto.UINT16: "UINT16",
         TensorProto.UINT32: "UINT32", TensorProto.UINT64: "UINT64", TensorProto.INT8: "INT8",
         TensorProto.INT16: "INT16", TensorProto.INT32: "INT32", TensorProto.INT64: "INT64",
         TensorProto.FLOAT16: "FP16", TensorProto.FLOAT: "FP32", TensorProto.DOUBLE: "FP64", TensorProto.STRING: "BYTES"}
RANDOM = re.compile(r"bernoulli|random|multinomial|training_dropout|dropout_.*ratio")


class Case:
    """One case of the suite, with what ONNX Runtime in Python answers. Raises when it is not for us."""

    def __init__(self, case, options):
        self.name, self.model = case.name, case.model
        values = [*self.model.graph.input, *self.model.graph.output]
        if any(not v.type.HasField("tensor_type") or v.type.tensor_type.elem_type not in NAMES for v in values):
            raise ValueError("sequences, optionals and sub-byte types are not tensors of the protocol")
        types = {v.name: v.type.tensor_type.elem_type for v in self.model.graph.input}
        session = ort.InferenceSession(self.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [v.name for v in session.get_inputs()]
        arrays = [np.asarray(a) for a in case.data_sets[0][0]]
        self.inputs = [(n, NAMES[types[n]], a) for n, a in zip(names, arrays, strict=True)]
        self.outputs = [o.name for o in session.get_outputs()]
        self.expected = session.run(None, {name: array for name, _, array in self.inputs})

    def check(self, client):
        given = []
        for name, datatype, array in self.inputs:
            tensor = triton.InferInput(name, list(array.shape), datatype)
            tensor.set_data_from_numpy(array.astype(object) if datatype == "BYTES" else array)
            given.append(tensor)
        answer = client.infer(self.name, given)
        for name, expected in zip(self.outputs, self.expected):
            got = answer.as_numpy(name)
            expected = np.asarray(expected)
            if expected.dtype.kind in "OU":
                got = np.array([x.decode() for x in got.ravel()], dtype=object).reshape(got.shape)
                expected = expected.astype(object)
            assert got.shape == expected.shape, (name, got.shape, expected.shape)
            assert np.array_equal(got, expected, equal_nan=expected.dtype.kind in "fc"), name


def usable_cases():
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    cases = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows that the cases mean
        suite = collect_testcases(None)
    for case in suite:
        if RANDOM.search(case.name):
            continue
        try:
            cases.append(Case(case, options))
        except Exception:  # noqa: BLE001 - whatever the reason: ONNX Runtime in Python does not run it either
            continue
    return cases


def test_every_case(serve, tmp_path):
    cases = usable_cases()
    assert len(cases) > 1000, f"only {len(cases)} cases: is the onnx package complete?"
    failures = []
    for start in range(0, len(cases), CHUNK):
        chunk = cases[start : start + CHUNK]
        root = tmp_path / f"models-{start}"
        for case in chunk:
            (root / case.name).mkdir(parents=True)
            onnx.save(case.model, root / case.name / "model.onnx")
        server = serve(root, "--no-cache", "--log-level", "error")
        with triton.InferenceServerClient(server.address) as client:
            for case in chunk:
                try:
                    case.check(client)
                except Exception as e:  # noqa: BLE001 - collected and shown below
                    failures.append(f"{case.name}: {e}")
        server.stop()
    assert not failures, f"{len(failures)} of {len(cases)} cases:\n" + "\n".join(failures[:40])
