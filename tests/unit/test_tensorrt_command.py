"""The exact trtexec commands, and the shape profiles that go into them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tritonzoo.errors import ConversionError, RecipeError
from tritonzoo.recipe import Shapes
from tritonzoo.tensorrt.builders import container
from tritonzoo.tensorrt.plan import PlanFromOnnx
from tritonzoo.tensorrt.shape_profiles import bucket_profiles, fixed_profile, one_profile, wide_range

TEXT = {name: Shapes((1, 2), (16, 32), (128, 256)) for name in ("input_ids", "attention_mask")}
PICTURE = {"pixels": Shapes((1, 128, 128, 3), (8, 128, 128, 3), (32, 128, 128, 3))}
TWO_RANGES = {"a": Shapes((1, 2), (1, 4), (8, 8)), "b": Shapes((1, 2), (1, 4), (8, 9))}
TWO_LENGTHS = {"a": Shapes((1, 2, 2), (1, 4, 4), (8, 8, 8))}
DYNAMIC = (
    "--minShapes=input_ids:1x2,attention_mask:1x2 --optShapes=input_ids:16x32,attention_mask:16x32"
    " --maxShapes=input_ids:128x256,attention_mask:128x256"
)


def plan(precision, profiles, **options):
    source = "1/model.onnx" if precision == "fp32" else f"1/model.{precision}.onnx"
    return PlanFromOnnx(Path(source), Path(f"1/model.{precision}.plan"), precision, profiles, **options)


@pytest.mark.parametrize(
    ("precision", "typing"),
    [
        ("fp32", "--stronglyTyped --noTF32"),
        ("fp16", "--stronglyTyped --noTF32"),
        ("int8", "--stronglyTyped --noTF32"),
        ("best", "--best"),
    ],
)
def test_command_of_each_precision_over_the_whole_dynamic_range(precision, typing):
    source = "1/model.onnx" if precision == "fp32" else f"1/model.{precision}.onnx"
    assert shlex.join(plan(precision, one_profile(TEXT)).command()) == (
        f"trtexec --onnx={source} --saveEngine=1/model.{precision}.plan {typing} --memPoolSize=workspace:2048"
        f" {DYNAMIC} --skipInference"
    )


def test_command_of_fixed_shapes_leaves_only_the_batch_open():
    assert shlex.join(plan("fp16", fixed_profile(TEXT)).command()) == (
        "trtexec --onnx=1/model.fp16.onnx --saveEngine=1/model.fp16.plan --stronglyTyped --noTF32"
        " --memPoolSize=workspace:2048 --minShapes=input_ids:1x32,attention_mask:1x32"
        " --optShapes=input_ids:16x32,attention_mask:16x32"
        " --maxShapes=input_ids:128x32,attention_mask:128x32 --skipInference"
    )


def test_command_of_several_profiles_numbers_them_from_zero():
    profiles = bucket_profiles({"input_ids": TEXT["input_ids"]}, (64, 256))
    assert shlex.join(plan("fp16", profiles).command()) == (
        "trtexec --onnx=1/model.fp16.onnx --saveEngine=1/model.fp16.plan --stronglyTyped --noTF32"
        " --memPoolSize=workspace:2048"
        " --profile=0 --minShapes=input_ids:1x2 --optShapes=input_ids:16x64 --maxShapes=input_ids:128x64"
        " --profile=1 --minShapes=input_ids:1x65 --optShapes=input_ids:16x256 --maxShapes=input_ids:128x256"
        " --skipInference"
    )


@pytest.mark.parametrize("profiles_of", [one_profile, fixed_profile])
def test_command_of_a_model_of_one_shape_says_no_shapes(profiles_of):
    profiles = profiles_of({"x": Shapes((1, 8), (1, 8), (1, 8))})
    assert shlex.join(plan("fp32", profiles).command()) == (
        "trtexec --onnx=1/model.onnx --saveEngine=1/model.fp32.plan --stronglyTyped --noTF32"
        " --memPoolSize=workspace:2048 --skipInference"
    )


def test_command_with_every_option():
    options = {
        "workspace_mib": 512,
        "timing_cache": Path("logs/tensorrt.cache"),
        "optimization_level": 5,
        "tf32": True,
        "version_compatible": True,
        "hardware_compatibility": "ampere+",
    }
    assert shlex.join(plan("fp32", one_profile(PICTURE), **options).command()) == (
        "trtexec --onnx=1/model.onnx --saveEngine=1/model.fp32.plan --stronglyTyped"
        " --memPoolSize=workspace:512 --timingCacheFile=logs/tensorrt.cache --builderOptimizationLevel=5"
        " --versionCompatible --hardwareCompatibilityLevel=ampere+ --minShapes=pixels:1x128x128x3"
        " --optShapes=pixels:8x128x128x3 --maxShapes=pixels:32x128x128x3 --skipInference"
    )


def test_command_in_the_container_sees_the_same_files_under_the_same_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"timing_cache": Path("logs/tensorrt.cache")}
    command = plan("fp32", one_profile(PICTURE), **options).command(container("nvidia/tensorrt:24.10-py3"))
    assert command == [
        "docker", "run", "--rm", "--init", "--gpus=all", f"--user={os.getuid()}:{os.getgid()}",
        f"--volume={tmp_path}/1:{tmp_path}/1", f"--volume={tmp_path}/logs:{tmp_path}/logs",
        "nvidia/tensorrt:24.10-py3", "trtexec",
        f"--onnx={tmp_path}/1/model.onnx", f"--saveEngine={tmp_path}/1/model.fp32.plan",
        "--stronglyTyped", "--noTF32", "--memPoolSize=workspace:2048",
        f"--timingCacheFile={tmp_path}/logs/tensorrt.cache", "--minShapes=pixels:1x128x128x3",
        "--optShapes=pixels:8x128x128x3", "--maxShapes=pixels:32x128x128x3", "--skipInference",
    ]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "best"])
def test_no_command_has_a_flag_that_tensorrt_10_or_11_dropped(precision):
    gone = ("--explicitBatch", "--workspace", "--buildOnly", "--fp16", "--int8", "--calib")
    for profiles in (one_profile(TEXT), fixed_profile(TEXT), bucket_profiles(TEXT, (32, 256))):
        names = {argument.partition("=")[0] for argument in plan(precision, profiles).command()}
        assert names.isdisjoint(gone)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"precision": "int4"}, "there are: fp32, fp16, int8, best"),
        ({"workspace_mib": 0}, "workspace_mib must be above 0"),
        ({"optimization_level": 6}, "optimization_level 0 to 5"),
        ({"profiles": one_profile({"a:0": Shapes((1,), (2,), (3,))})}, "rename them at the export"),
    ],
)
def test_an_option_that_cannot_be_is_refused_with_the_valid_ones(options, remedy):
    valid = {"source": Path("a"), "target": Path("b"), "precision": "fp32", "profiles": one_profile(TEXT)}
    with pytest.raises(ConversionError, match=remedy):
        PlanFromOnnx(**valid | options)


def test_buckets_follow_one_another_without_gap_or_overlap():
    profiles = bucket_profiles(TEXT, (32, 64, 256))
    assert [(p["input_ids"].min[1], p["input_ids"].max[1]) for p in profiles] == [
        (2, 32),
        (33, 64),
        (65, 256),
    ]
    assert all(p["input_ids"] == p["attention_mask"] for p in profiles)
    assert all(p["input_ids"].opt[1] == p["input_ids"].max[1] for p in profiles)


def test_fixed_buckets_take_their_length_alone():
    profiles = bucket_profiles(TEXT, (32, 256), fixed=True)
    assert [(p["input_ids"].min, p["input_ids"].max) for p in profiles] == [
        ((1, 32), (128, 32)),
        ((1, 256), (128, 256)),
    ]


def test_an_input_without_a_length_is_the_same_in_every_bucket():
    shapes = TEXT | {"speaker": Shapes((1, 8), (16, 8), (128, 8))}
    assert [p["speaker"] for p in bucket_profiles(shapes, (32, 256))] == [shapes["speaker"]] * 2


@pytest.mark.parametrize(
    ("shapes", "lengths", "reason"),
    [
        (TEXT, (), r"\(none\): give them in ascending order"),
        (TEXT, (64, 32, 256), "ascending order"),
        (TEXT, (32, 32, 256), "ascending order"),
        (TEXT, (32, 128), "the last one 256"),
        (TEXT, (1, 256), "none below 2"),
        (PICTURE, (128,), "have 0 such ranges"),
        (TWO_RANGES, (8,), "have 2 such ranges"),
        (TWO_LENGTHS, (8,), "a varies in 2"),
    ],
)
def test_buckets_that_leave_lengths_out_are_refused(shapes, lengths, reason):
    with pytest.raises(RecipeError, match=reason):
        bucket_profiles(shapes, lengths)


def test_a_wide_range_is_warned_of_with_its_ends():
    assert "1x2 over 16x32 to 128x256, 16384 times" in wide_range(one_profile(TEXT))


def test_a_batch_of_pictures_is_no_wide_range():
    assert wide_range(one_profile(PICTURE)) is None
