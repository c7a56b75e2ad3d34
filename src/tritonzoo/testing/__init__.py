"""Unit-test a Triton Python model with no server.

    from tritonzoo.testing import TritonRequestError, load_model

    def test_empty_text_is_the_callers_mistake():
        with load_model("model_repository/my_model") as model:
            answer = model.infer(text=[["well done"]])
            assert answer["score"].shape == (1, 1)
            with pytest.raises(TritonRequestError, match="empty") as error:
                model.infer(text=[[""]])
            assert error.value.code == "INVALID_ARG"

Any model works, derived from `tritonzoo.runtime.model.PythonModel` or not: `load_model` reads its
config.pbtxt, hands `initialize` what Triton would, refuses the requests that Triton refuses and puts an
in-memory `triton_python_backend_utils` in place of the one that only a server has.
"""

from tritonzoo.testing.loaded import LoadedModel, TritonRequestError, load_model
from tritonzoo.testing.model_config import model_config

__all__ = ["LoadedModel", "TritonRequestError", "load_model", "model_config"]
