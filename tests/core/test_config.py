from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field, ValidationError, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import Config, dump_config, load_config


class Plan(Config):
    num_sampling_steps: int = Field(20, ge=1, description="T")
    max_early_stop: int = Field(8, ge=1, description="m")

    @model_validator(mode="after")
    def _check(self) -> Plan:
        if self.max_early_stop > self.num_sampling_steps:
            raise InputError(
                "stops after the rollout ends", field="max_early_stop", value=self.max_early_stop, remedy="m <= T"
            )
        return self


class Finetune(Config):
    kl_weight: float = Field(0.01, ge=0, description="w_KL")
    betas: tuple[float, ...] = Field((0.9, 0.999), description="of AdamW")
    motions: Path = Field(Path("data"), description="clips")
    limit: int | None = Field(4, description="most poses, null for all")
    rates: dict[str, float] = Field({"reward": 1.0}, description="weights of rewards")
    plan: Plan = Field(Plan(), description="Algorithm 1")


class Poses(Config):
    count: int = Field(1500, description="farthest-point picks")


class Job(Config):
    """A job with one section that must be given and one that has defaults of its own."""

    tuning: Finetune = Field(Finetune(kl_weight=0.5), description="post-training")
    poses: Poses = Field(description="selection")


def preset(folder: Path, text: str) -> str:
    file = folder / "preset.yaml"
    file.write_text(text)
    return str(file)


def test_flags_override_the_preset_and_the_preset_overrides_defaults(tmp_path: Path) -> None:
    file = preset(tmp_path, "poses: {count: 10}\ntuning: {betas: [0.5, 0.6], plan: {max_early_stop: 3}}\n")
    job = load_config(Job, ["--config", file, "--tuning.plan.num_sampling_steps", "5", "--tuning.motions=clips"])
    assert job.poses.count == 10
    assert job.tuning.betas == (0.5, 0.6)
    assert job.tuning.plan == Plan(num_sampling_steps=5, max_early_stop=3)
    assert job.tuning.motions == Path("clips")
    assert job.tuning.kl_weight == 0.5, "a job's own default of a section survives a partial override"


def test_flags_take_lists_null_and_numbers_yaml_would_read_as_text(tmp_path: Path) -> None:
    file = preset(tmp_path, "poses:\ntuning: {kl_weight: 1e-5}\n")  # YAML 1.1 reads 1e-5 as a string
    job = load_config(Job, ["--config", file, "--tuning.betas", "0.1,0.2,0.3", "--tuning.limit", "null"])
    assert job.tuning.kl_weight == 1e-5
    assert job.tuning.betas == (0.1, 0.2, 0.3)
    assert job.tuning.limit is None


def test_a_mapping_that_is_not_a_section_is_replaced_whole(tmp_path: Path) -> None:
    file = preset(tmp_path, "poses:\ntuning: {rates: {hands: 2}}\n")
    assert load_config(Job, ["--config", file]).tuning.rates == {"hands": 2.0}


def test_the_resolved_file_alone_gives_the_same_configuration(tmp_path: Path) -> None:
    first = load_config(Job, ["--poses.count", "3", "--tuning.kl_weight", "1e-7", "--tuning.limit", "null"])
    dump_config(first, tmp_path / "config.resolved.yaml")
    assert load_config(Job, ["--config", str(tmp_path / "config.resolved.yaml")]) == first


def test_one_preset_serves_jobs_with_other_sections(tmp_path: Path) -> None:
    """A section of another job is passed over, whatever is in it; its owner checks it."""
    file = preset(tmp_path, "poses: {count: 2}\nsynthesis: {size: 64}\n")
    assert load_config(Job, ["--config", file]).poses.count == 2


@pytest.mark.parametrize(
    ("text", "flags", "field", "remedy"),
    [
        ("posess: {count: 1}", [], "posess", "'poses'"),
        ("poses: {cuont: 1}", [], "poses.cuont", "'count'"),
        ("poses:\ntuning: {plan: {max_stop: 1}}", [], "tuning.plan.max_stop", "max_early_stop"),
        ("poses:\ntuning: {kl_weight: -1}", [], "tuning.kl_weight", "--tuning.kl_weight"),
        ("poses:\ntuning: {kl_weight: .nan}", [], "tuning.kl_weight", "--tuning.kl_weight"),
        ("poses:\ntuning: {plan: {max_early_stop: 21}}", [], "tuning.plan.max_early_stop", "m <= T"),
        ("tuning: {kl_weight: 1}", [], "poses", "--poses"),
        ("poses: 5", [], "poses", "--poses"),
    ],
)
def test_a_preset_that_cannot_work_is_refused_naming_field_and_remedy(
    tmp_path: Path, text: str, flags: list[str], field: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        load_config(Job, ["--config", preset(tmp_path, text), *flags])
    assert caught.value.field == field
    assert remedy in caught.value.remedy
    assert str(caught.value.file).endswith("preset.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "poses: {count: 1, count: 2}", "poses: !!python/name:os.system {}"])
def test_a_file_that_is_not_a_plain_yaml_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"preset\.yaml"):
        load_config(Job, ["--config", preset(tmp_path, text)])


def test_a_bad_flag_is_named_as_a_flag_even_beside_a_good_preset(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_config(Job, ["--config", preset(tmp_path, "poses: {count: 1}"), "--tuning.betas", "0.9,x"])
    assert caught.value.file == "command line"
    assert caught.value.field == "tuning.betas.1"


@pytest.mark.parametrize("flags", [["--poses.cuont", "1"], ["--poses.cou", "1"], ["--synthesis.size", "1"], ["stray"]])
def test_flags_that_are_no_field_of_the_job_are_refused_abbreviations_too(flags: list[str]) -> None:
    with pytest.raises(InputError, match="command line"):
        load_config(Job, ["--poses.count", "1", *flags])


def test_a_missing_preset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load_config(Job, ["--config", str(tmp_path / "absent.yaml")])


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSES", '{"count": 9}')
    monkeypatch.setenv("FINETUNE", '{"kl_weight": 9}')
    assert load_config(Job, ["--poses.count", "1"]) == Job(tuning=Finetune(kl_weight=0.5), poses=Poses(count=1))


def test_help_describes_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_config(Job, ["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert "--tuning.plan.max_early_stop" in text
    assert "w_KL" in text


def test_a_configuration_cannot_be_changed_after_it_is_checked() -> None:
    with pytest.raises(ValidationError):
        Poses().count = 3  # type: ignore[misc]


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + below] * 10)}]\n" for below, name in itertools.pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"poses: " + b"[" * 5000, "nested deeper"),
        (b"{a: " * 5000, "nested deeper"),
        (b"- " * 5000, "nested deeper"),
        (BOMB.encode(), "more than 20000 values"),
        (b"a: &a [*a]", "holds itself"),
        (b"poses: {count: " + b"9" * 5000 + b"}", "not valid YAML"),
        (b"poses: {count: 0x" + b"f" * 5000 + b"}", "more than 64 bits"),
        (b'tuning: {motions: "a\\0b"}\nposes:', "not UTF-8 text"),
        (b'tuning: {motions: "a\\uD800b"}\nposes:', "not UTF-8 text"),
        (b"poses: {count: 1}\0", "not valid YAML"),
        (b"\xff\xfep\0o\0", "UTF-16"),
        (b"poses: {name: \xff}", "not UTF-8 text"),
        (b"x" * 2**21, "larger than"),
        (b"poses: {count: [" + b"1," * 30_000 + b"]}", "more than 20000 values"),
        (b"poses: {? [1, 2] : 3}", "given twice"),
        (b"? {a: 1}\n: 2", "given twice"),
    ],
    ids=range(16),
)  # fmt: skip
def test_a_hostile_preset_ends_in_one_short_line_and_soon(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "preset.yaml"
    file.write_bytes(content)
    begin = time.monotonic()
    with pytest.raises(InputError) as caught:
        load_config(Job, ["--config", str(file)])
    assert time.monotonic() - begin < 20
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_no_preset(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "preset.yaml")
    with pytest.raises(InputError, match="not a file"):
        load_config(Job, ["--config", str(tmp_path / "preset.yaml")])


def test_a_preset_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "preset.yaml").write_bytes(b"\xef\xbb\xbfposes: {count: 3}\n")
    assert load_config(Job, ["--config", str(tmp_path / "preset.yaml")]).poses.count == 3


@pytest.mark.parametrize(
    "flags",
    [
        ["--tuning.motions", "a\udcffb"],
        ["--config", "a\udcffb.yaml"],
        ["--config", "a\0b.yaml"],
        ["--tuning.rates", '{"\\ud800": 1}'],
        ["--tuning.rates", '{"a": 1, "a": 2}'],
        ["--tuning.rates", '{"a": ' * 5000],
        ["--tuning.betas", "[" * 5000],
        ["--tuning.betas", "[" * 5000 + "]" * 5000],
        ["--tuning.betas", "[" + "9" * 5000 + ', "x"]'],
        ["--tuning.betas", "1," * 100_000],
        ["--tuning", '{"plan": ' * 2000 + "1" + "}" * 2000],
        ["--poses.count", "9" * 5000],
        ["--poses.count", "9" * 40],
        ["--poses.count", "0x" + "f" * 5000],
        ["--poses.count", ""],
        ["--=", "1"],
        ["--poses..count", "1"],
        ["--poses.\udcff", "1"],
    ],
    ids=range(18),
)
def test_a_hostile_flag_ends_in_one_short_line(flags: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_config(Job, ["--poses.count", "1", *flags])
    text = str(caught.value)
    assert "\n" not in text and len(text) < 1000


def test_a_folder_that_is_not_utf8_is_refused_before_any_record_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match="current folder"):
        load_config(Job, ["--poses.count", "1"])


def test_lists_are_words_or_json_and_add_up_and_the_last_of_other_flags_counts() -> None:
    def betas(*flags: str) -> tuple[float, ...]:
        return load_config(Job, ["--poses.count", "1", *flags]).tuning.betas

    assert betas("--tuning.betas", "[0.1, 0.2]") == betas("--tuning.betas=0.1,0.2") == (0.1, 0.2)
    assert betas("--tuning.betas", "0.1", "--tuning.betas", "0.2") == (0.1, 0.2)
    job = load_config(Job, ["--poses.count", "1", "--poses.count", "2", "--tuning.rates", "hands=2,feet=1"])
    assert (job.poses.count, job.tuning.rates) == (2, {"hands": 2.0, "feet": 1.0})
    whole = load_config(Job, ["--poses", '{"count": 4}', "--tuning.plan.max_early_stop", "3"])
    assert (whole.poses.count, whole.tuning.plan.max_early_stop) == (4, 3)
