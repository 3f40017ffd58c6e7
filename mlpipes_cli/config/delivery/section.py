"""``deploy``: by the alias that a running API follows, or by an image."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlpipes_cli.config.base import Strict

Repository = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._:/-]*/[a-z0-9._/-]+$")]


class Deploy(Strict):
    """What makes a new version of the model reach its users.

    By ``alias``: a running API follows it, so a promotion is all. By ``image``: after a promotion an image
    with the version inside is built and pushed, and ``command`` puts it in place.
    """

    by: Literal["alias", "image"] = Field(
        default="alias",
        description="`alias`: a running API follows it; `image`: an image with the version is rolled out.",
    )
    image: Repository | None = Field(
        default=None,
        description="With `by: image`: the repository that it is pushed to, REGISTRY/NAME without a tag;"
        " left out, the registry of the CI.",
    )
    command: Annotated[str, Field(min_length=1, max_length=20_000)] | None = Field(
        default=None,
        description="With `by: image`: a command of the shell that puts the image in place; $IMAGE is its"
        " name with the digest.",
    )

    @model_validator(mode="after")
    def _images_are_for_images(self) -> Deploy:
        for key in ("image", "command"):
            if self.by == "alias" and getattr(self, key) is not None:
                raise ValueError(f"`{key}` is for `by: image`")
        return self
