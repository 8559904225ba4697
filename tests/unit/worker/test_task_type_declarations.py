"""The public face: functions become task types and quality checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import eas
from eas import DeclarationError, Field, Metadata, Slot, TaskContext, TaskSettings, quality_check, task_type


class ScaleSettings(TaskSettings):
    factor: float = Field(default=2.0, gt=0, description="Multiplies the numbers.")


@task_type(version="3", inputs=["numbers"], outputs=["numbers", Slot("log", required=False)])
def scale(context: TaskContext, settings: ScaleSettings) -> Metadata:
    """Multiply."""
    return {"factor": settings.factor, "seed": context.seed}


def make_context(folder: Path) -> TaskContext:
    return TaskContext(folder, {}, {}, seed=7)


def test_a_function_becomes_a_task_type_with_the_settings_of_its_annotation(tmp_path: Path) -> None:
    assert (scale.name, scale.version, scale.settings) == ("scale", "3", ScaleSettings)
    assert scale.inputs == (Slot("numbers"),)
    assert scale.outputs == (Slot("numbers"), Slot("log", required=False))
    assert scale.run(make_context(tmp_path), ScaleSettings(factor=5)) == {"factor": 5, "seed": 7}
    assert scale.run.__doc__ == "Multiply."


def test_a_function_of_the_context_alone_has_no_settings(tmp_path: Path) -> None:
    seen = []

    @task_type(name="other_name", version="1")
    def look(context: TaskContext) -> None:
        seen.append(context.seed)

    assert look.name == "other_name"
    assert look.run(make_context(tmp_path), look.settings()) == {}
    assert seen == [7]
    with pytest.raises(ValueError, match="Extra inputs"):
        look.settings.model_validate({"factor": 1})


def test_settings_that_a_function_defines_itself_are_named() -> None:
    class Local(TaskSettings):
        pass

    @task_type(version="1", settings=Local)
    def local(context: TaskContext, settings: Local) -> None: ...

    assert local.settings is Local
    with pytest.raises(DeclarationError, match=r"local: name 'Local' is not defined; name the model .* with settings="):

        @task_type(version="1", name="again")
        def local(context: TaskContext, settings: Local) -> None: ...


def test_what_cannot_be_a_task_type_is_said_at_once() -> None:
    with pytest.raises(DeclarationError, match="'settings' must be annotated with a class derived from TaskSettings"):

        @task_type(version="1")
        def bare(context, settings): ...  # type: ignore[no-untyped-def]

    with pytest.raises(DeclarationError, match="many has 3 parameters; expected"):

        @task_type(version="1")
        def many(context: TaskContext, settings: TaskSettings, more: int) -> None: ...

    with pytest.raises(DeclarationError, match="slots are a list of names, not the text 'lightcurve'"):

        @task_type(version="1", inputs="lightcurve")
        def text(context: TaskContext) -> None: ...

    with pytest.raises(DeclarationError, match="takes no settings"):

        @task_type(version="1", settings=ScaleSettings)
        def unset(context: TaskContext) -> None: ...


def test_a_quality_check_is_named_like_its_function_and_knows_whom_it_judges() -> None:
    @quality_check("scale", "detrend")
    def small_numbers(context: TaskContext, metadata: Metadata) -> None: ...

    @quality_check()
    def anything(context: TaskContext, metadata: Metadata) -> None: ...

    assert small_numbers.name == "small_numbers"
    assert [small_numbers.concerns(name) for name in ("scale", "detrend", "null")] == [True, True, False]
    assert anything.concerns("null")
    with pytest.raises(DeclarationError, match="needs parentheses"):
        quality_check(lambda context, metadata: None)  # type: ignore[arg-type]


def test_inputs_that_the_job_does_not_declare_are_named(tmp_path: Path) -> None:
    with pytest.raises(eas.InputError, match="no input 'numbers'"):
        make_context(tmp_path).input_path("numbers")


def test_every_public_name_is_there_and_numpy_comes_late() -> None:
    for name in eas.__all__:
        assert getattr(eas, name) is not None
    with pytest.raises(AttributeError, match="'eas' has no attribute 'nonsense'"):
        eas.nonsense  # noqa: B018
    program = "import eas, sys; assert 'numpy' not in sys.modules; eas.LightCurve; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
