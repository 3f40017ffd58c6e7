"""A run of any trainer: which model checks it, the trainer says in its definition."""

from __future__ import annotations

from typing import Annotated, Any, Union, get_args

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from mlpipes_cli import trainer_registry
from mlpipes_cli.config.problems import unknown_key
from mlpipes_cli.config.runs import Run
from mlpipes_cli.trainer_registry import BrokenTrainer, RegisteredTrainer


class OtherRun(Run):
    """A run of a trainer without settings of its own; the trainer checks what else stands here."""

    model_config = ConfigDict(extra="allow")


class _ByTrainer:
    """Chooses the model of a run by ``trainer:``.

    The built-in trainers are a union, which the JSON Schema shows; those of other packages are imported only
    where a run names them.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make the union of the built-in trainers' models, behind a look at the other packages' trainers."""
        models = tuple(map(settings_of, map(_registered, trainer_registry.built_in())))
        ours = Annotated[Union[models], Field(discriminator="trainer")]  # type: ignore[valid-type]  # noqa: UP007
        return core_schema.no_info_wrap_validator_function(_validate, handler.generate_schema(ours))


AnyRun = Annotated[Run, _ByTrainer()]


def settings_of(trainer: RegisteredTrainer) -> type[Run]:
    """Return the model of a trainer's runs.

    Raises:
        BrokenTrainer: It is another package's, and it cannot be imported or is no subclass of ``Run``.
    """
    location = trainer.definition.settings
    if not location:
        return OtherRun
    try:
        found = trainer_registry.load(location)
    except Exception as error:
        text = trainer_registry.broken(trainer.name, trainer.distribution, error)
        raise BrokenTrainer(text) from error
    if not (isinstance(found, type) and issubclass(found, Run)):
        raise BrokenTrainer(
            f"the settings of the trainer {trainer.name!r}, {location}, are not a subclass of "
            "mlpipes_cli.config.runs.Run"
        )
    return found


def _registered(name: str) -> RegisteredTrainer:
    found = trainer_registry.find(name)
    assert found is not None
    return found


def _validate(value: Any, built_in: ValidatorFunctionWrapHandler) -> Any:
    name = value.get("trainer") if isinstance(value, dict) else None
    if not isinstance(name, str) or name in trainer_registry.built_in():
        return built_in(value)
    if name not in trainer_registry.added():
        raise _unknown(name, value)
    try:
        model = settings_of(_registered(name))
    except BrokenTrainer as error:
        raise ValueError(str(error)) from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _with_known_keys(model, error) from None


def _unknown(name: str, value: Any) -> ValidationError:
    """Say it as pydantic does for a union, with the names of other packages' trainers too."""
    expected = ", ".join(map(repr, trainer_registry.names()))
    context = {"discriminator": "'trainer'", "tag": name, "expected_tags": expected}
    item = InitErrorDetails(type="union_tag_invalid", loc=(), input=value, ctx=context)
    return ValidationError.from_exception_data("Run", [item])


def _with_known_keys(model: type[Run], error: ValidationError) -> ValidationError:
    """Tell for unknown keys which there are: only here the model is known."""
    known = get_args(core_schema.ErrorType)
    items = []
    for found in error.errors():
        kind, context, text = found["type"], found.get("ctx", {}), found["msg"]
        if kind == "extra_forbidden":
            text = unknown_key(model, found["loc"])
        if kind == "extra_forbidden" or kind not in known:  # the package may have kinds of its own
            kind, context = "value_error", {"error": ValueError(text)}
        items.append(InitErrorDetails(type=kind, loc=found["loc"], input=found["input"], ctx=context))
    return ValidationError.from_exception_data(model.__name__, items)
