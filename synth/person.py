"""Who is drawn? A person keeps a shape, colours and habits of expression over all their pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import UsageError
from .shape import Geometry
from .tones import HAIR, IRIS, tone_group, tones_of

AGE_BANDS: tuple[str, ...] = ("young", "middle", "older")
PRESENTATIONS: tuple[str, ...] = ("feminine", "masculine")
HAIR_STYLES: tuple[str, ...] = (
    "bald",
    "receding",
    "buzz",
    "short",
    "parted",
    "curly",
    "afro",
    "bob",
    "long",
    "wavy",
    "bun",
)
BEARDS: tuple[str, ...] = ("none", "stubble", "moustache", "goatee", "full")
GLASSES: tuple[str, ...] = ("none", "round", "square")


@dataclass(frozen=True)
class Look:
    """What a person looks like beside the shape of the face.

    Args:
        monk_tone: 1 to 10 on the Monk scale.
        age_band: one of `AGE_BANDS`.
        presentation: one of `PRESENTATIONS`: how the drawing presents gender (hair, brows, jaw, lips). A
            drawing has no gender, and nothing here says that people look so.
        hair: one of `HAIR_STYLES`.
        hair_colour: a name of `tones.HAIR`.
        iris: a name of `tones.IRIS`.
        beard: one of `BEARDS`.
        glasses: one of `GLASSES`.
        rouge: 0..1, painted lips.
        clothes: index into `tones.CLOTHES`, modulo its length.
        texture_seed: seed of the strands, spots and hairs.
    """

    monk_tone: int = 4
    age_band: str = "young"
    presentation: str = "feminine"
    hair: str = "bob"
    hair_colour: str = "brown"
    iris: str = "brown"
    beard: str = "none"
    glasses: str = "none"
    rouge: float = 0.3
    clothes: int = 0
    texture_seed: int = 0

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, str | int, tuple[str, ...] | tuple[int, ...]], ...] = (
            ("monk_tone", self.monk_tone, tuple(range(1, 11))),
            ("age_band", self.age_band, AGE_BANDS),
            ("presentation", self.presentation, PRESENTATIONS),
            ("hair", self.hair, HAIR_STYLES),
            ("hair_colour", self.hair_colour, tuple(HAIR)),
            ("iris", self.iris, tuple(IRIS)),
            ("beard", self.beard, BEARDS),
            ("glasses", self.glasses, GLASSES),
        )
        for name, value, allowed in choices:
            if value not in allowed:
                listed = ", ".join(str(each) for each in allowed)
                raise UsageError(f"Expected `{name}` to be one of {listed}, but got {value!r}. Choose one of them.")

    @property
    def skin_tone(self) -> str:
        """The group of the Monk tone: light, medium or dark."""
        return tone_group(self.monk_tone)

    @property
    def age(self) -> float:
        """How far the drawing shows age: 0 (young), 0.5, 1 (older)."""
        return AGE_BANDS.index(self.age_band) / 2


@dataclass(frozen=True)
class Person:
    """One drawn person.

    Args:
        subject: the person's name in a data set.
        geometry: shape of the face.
        look: colours, hair, age and so on.
        expressiveness: factor on the intensity of the person's expressions, about 0.85 to 1.1.
    """

    subject: str
    geometry: Geometry
    look: Look
    expressiveness: float = 1.0


def draw_person(
    rng: np.random.Generator,
    subject: str,
    *,
    skin_tone: str | None = None,
    age_band: str | None = None,
    presentation: str | None = None,
) -> Person:
    """Draw a person at random; a group that is named is kept, the others are drawn evenly.

    Args:
        rng: source of chance; the same state gives the same person.
        subject: name of the person.
        skin_tone: light, medium or dark.
        age_band: one of `AGE_BANDS`.
        presentation: one of `PRESENTATIONS`.
    """
    group = skin_tone or str(rng.choice(["light", "medium", "dark"]))
    age = age_band or str(rng.choice(AGE_BANDS))
    shown_as = presentation or str(rng.choice(PRESENTATIONS))
    tone = int(rng.choice(tones_of(group)))
    look = Look(
        monk_tone=tone,
        age_band=age,
        presentation=shown_as,
        hair=_hair_style(rng, shown_as, age, group),
        hair_colour=_hair_colour(rng, group, age),
        iris=_iris(rng, group),
        beard=_beard(rng, shown_as),
        glasses=str(rng.choice(GLASSES, p=(0.80, 0.10, 0.10))),
        rouge=float(rng.uniform(0.2, 1.0)) if shown_as == "feminine" else 0.0,
        clothes=int(rng.integers(1000)),
        texture_seed=int(rng.integers(2**31)),
    )
    return Person(subject, _geometry(rng, look), look, float(rng.uniform(0.88, 1.08)))


def _geometry(rng: np.random.Generator, look: Look) -> Geometry:
    def vary(mean: float, spread: float) -> float:
        return float(mean + spread * np.clip(rng.standard_normal(), -2, 2))

    drawn = Geometry(
        face_width=vary(1.0, 0.035),
        face_length=vary(1.0, 0.025),
        jaw_width=vary(1.0, 0.03),
        chin_width=vary(1.0, 0.06),
        forehead=vary(1.0, 0.05),
        eye_spacing=vary(1.0, 0.025),
        eye_size=vary(1.0, 0.04),
        eye_openness=vary(1.0, 0.08),
        eye_tilt=vary(0.02, 0.04),
        brow_height=vary(0.0, 0.025),
        brow_arch=vary(0.0, 0.02),
        brow_thickness=vary(1.0, 0.15),
        nose_length=vary(1.0, 0.04),
        nose_width=vary(1.08 if look.skin_tone == "dark" else 1.0, 0.09),
        nose_relief=vary(1.0, 0.12),
        mouth_width=vary(1.0, 0.05),
        mouth_height=vary(0.0, 0.02),
        upper_lip=vary(1.2 if look.skin_tone == "dark" else 1.0, 0.12),
        lower_lip=vary(1.15 if look.skin_tone == "dark" else 1.0, 0.12),
        ear_size=vary(1.0, 0.08),
    )
    if look.presentation == "masculine":
        return replace(
            drawn,
            face_width=drawn.face_width * 1.01,
            jaw_width=drawn.jaw_width * 1.05,
            chin_width=drawn.chin_width * 1.08,
            face_length=drawn.face_length * 1.015,
            eye_openness=drawn.eye_openness * 0.92,
            brow_height=drawn.brow_height - 0.03,
            brow_arch=drawn.brow_arch - 0.02,
            brow_thickness=drawn.brow_thickness * 1.35,
            upper_lip=drawn.upper_lip * 0.85,
            lower_lip=drawn.lower_lip * 0.9,
            nose_width=drawn.nose_width * 1.06,
        )
    return replace(
        drawn,
        jaw_width=drawn.jaw_width * 0.97,
        chin_width=drawn.chin_width * 0.92,
        eye_size=drawn.eye_size * 1.05,
        brow_height=drawn.brow_height + 0.01,
        brow_arch=drawn.brow_arch + 0.02,
        upper_lip=drawn.upper_lip * 1.1,
        lower_lip=drawn.lower_lip * 1.1,
    )


def _hair_style(rng: np.random.Generator, presentation: str, age: str, group: str) -> str:
    tight = group == "dark"
    if presentation == "feminine":
        styles = ("bob", "long", "wavy", "bun", "curly", "afro", "short")
        weights = np.array(
            [0.15, 0.12, 0.12, 0.2, 0.13, 0.25, 0.03] if tight else [0.25, 0.25, 0.22, 0.15, 0.08, 0.0, 0.05]
        )
    else:
        styles = ("buzz", "short", "parted", "curly", "afro", "bald", "receding")
        weights = np.array(
            [0.4, 0.12, 0.0, 0.18, 0.15, 0.12, 0.03] if tight else [0.12, 0.38, 0.28, 0.1, 0.0, 0.07, 0.05]
        )
        if age == "older":
            weights = weights + np.array([0, 0, 0, 0, 0, 0.15, 0.2])
    return str(rng.choice(styles, p=weights / weights.sum()))


def _hair_colour(rng: np.random.Generator, group: str, age: str) -> str:
    if age == "older":
        return str(rng.choice(["grey", "white", "grey"]))
    if group == "dark":
        return str(rng.choice(["black", "black", "dark brown"]))
    if group == "medium":
        return str(rng.choice(["black", "dark brown", "dark brown", "brown"]))
    return str(rng.choice(["dark brown", "brown", "light brown", "blond", "red", "black"]))


def _iris(rng: np.random.Generator, group: str) -> str:
    if group == "light":
        return str(rng.choice(["brown", "hazel", "green", "blue", "grey", "dark brown"]))
    return str(rng.choice(["dark brown", "brown"]))


def _beard(rng: np.random.Generator, presentation: str) -> str:
    if presentation == "feminine":
        return "none"
    return str(rng.choice(BEARDS, p=(0.56, 0.18, 0.06, 0.07, 0.13)))
