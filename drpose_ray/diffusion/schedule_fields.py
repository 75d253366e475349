"""Fields of a ``scheduler_config.json``: typed, bounded, and only those schedules whose DDIM step is affine."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.component_fields import ComponentFields, Flag, brief

_Beta = Annotated[float, Field(strict=True, gt=0, lt=1)]
_OTHER_BETAS: Final = (
    "use weights of a model that was trained with beta_start, beta_end and beta_schedule alone; changing this field "
    "would sample these weights at noise levels that they never saw"
)
_AFFINE: Final = (
    "the latents of PSHuman and Era3D are sampled without it; set it to false if this model's are too, else use "
    "another model"
)


class ScheduleFields(ComponentFields):
    """Defaults are those of diffusers' DDIMScheduler. Files name various schedulers: the pipeline chooses its own."""

    class_name: Annotated[str, Field(pattern="^[A-Z][A-Za-z]{0,60}Scheduler$")] = Field(
        "DDIMScheduler", alias="_class_name"
    )
    num_train_timesteps: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1000
    beta_start: _Beta = 0.0001
    beta_end: _Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing"] = "leading"
    steps_offset: Annotated[int, Field(strict=True, ge=0, lt=10_000)] = 0
    set_alpha_to_one: Flag = True
    # Clipping x0 is not affine in the denoiser's output, which the DDIM coefficients and the replay gradient rely on.
    clip_sample: Flag = True
    thresholding: Flag = False
    # These two change the betas to something that the schedule does not know.
    rescale_betas_zero_snr: Flag = False
    trained_betas: Any = None

    @model_validator(mode="after")
    def _supported(self) -> ScheduleFields:
        for field, remedy in (
            ("clip_sample", _AFFINE), ("thresholding", _AFFINE), ("rescale_betas_zero_snr", _OTHER_BETAS),
            ("trained_betas", _OTHER_BETAS),
        ):  # fmt: skip
            value = getattr(self, field)
            if value is not False and value is not None:
                raise InputError("unsupported noise schedule", field=field, value=brief(value), remedy=remedy)
        if self.steps_offset >= self.num_train_timesteps:
            raise InputError(
                "timesteps shifted out of the schedule", field="steps_offset", value=self.steps_offset,
                remedy=f"it has {self.num_train_timesteps} timesteps",
            )  # fmt: skip
        return self
