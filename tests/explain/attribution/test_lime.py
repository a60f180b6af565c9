"""LIME: the closed form against scikit-learn and the lime package, and the whole against a slow one."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from black_box_nets import CornerNet, box_of, request_for, smooth_faces, target_of, tiles
from skimage.segmentation import slic
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_distances

from countenance.explain.attribution import lime as lime_module
from countenance.explain.attribution.lime import draw, lime, proximity, r2, ridge
from countenance.explain.attribution.perturbation import BlackBox
from countenance.explain.attribution.superpixels import superpixels

WIDTH = 0.25


def kernel(distances: np.ndarray) -> np.ndarray:
    return np.sqrt(np.exp(-(distances**2) / WIDTH**2))


def example(samples: int = 120, players: int = 14, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    shown = draw(samples, players, seed)
    random = np.random.default_rng(seed)
    pull = random.normal(size=players)
    return shown, 1 / (1 + np.exp(-(shown @ pull) - random.normal(0, 0.3, samples)))


def test_the_first_copy_is_the_face_and_the_others_show_half_of_it() -> None:
    shown = draw(4000, 20, 3)
    assert shown[0].all()
    assert shown[1:].mean() == pytest.approx(0.5, abs=0.01)


def test_proximity_is_the_kernel_of_the_cosine_distance_also_of_a_copy_that_shows_nothing() -> None:
    shown = draw(50, 9, 0)
    shown[7] = False
    expected = kernel(cosine_distances(shown.astype(float), np.ones((1, 9)))[:, 0])
    np.testing.assert_allclose(proximity(shown), expected, atol=1e-12)


@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_ridge_and_its_fit_equal_scikit_learn(penalty: float) -> None:
    shown, scores = example()
    near = proximity(shown)
    reference = Ridge(alpha=penalty, fit_intercept=True).fit(shown.astype(float), scores, sample_weight=near)
    found = ridge(shown, scores, near, penalty)
    np.testing.assert_allclose(found, reference.coef_, atol=1e-10)
    assert r2(shown, scores, near, found) == pytest.approx(reference.score(shown, scores, sample_weight=near))


def test_weights_equal_the_lime_packages_for_the_same_copies() -> None:
    from lime.lime_base import LimeBase

    shown, scores = example(seed=5)
    distances = cosine_distances(shown.astype(float), np.ones((1, shown.shape[1])))[:, 0]
    _, pairs, fit, _ = LimeBase(kernel).explain_instance_with_data(
        shown.astype(float), scores[:, None], distances, 0, num_features=100_000
    )
    expected = np.zeros(shown.shape[1])
    for place, weight in pairs:
        expected[place] = weight
    found = ridge(shown, scores, proximity(shown))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert r2(shown, scores, proximity(shown), found) == pytest.approx(fit)


class Drawn(np.random.RandomState):
    """Gives the lime package the copies that were drawn here."""

    shown = np.zeros((0, 0))

    def randint(self, *_: object, **__: object) -> np.ndarray:  # type: ignore[override]
        return self.shown.astype(int).ravel()


def test_the_map_equals_the_lime_packages_for_the_same_copies() -> None:
    from lime.lime_image import LimeImageExplainer

    box, faces = box_of(CornerNet()), smooth_faces(1)
    request = request_for(faces)
    parts = superpixels(faces, 12)
    random = Drawn(0)
    random.shown = draw(150, parts.counts[0], request.seeds[0])

    def probabilities(pictures: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        return box.target.probabilities(box.target(pixels)).numpy()

    explanation = LimeImageExplainer(random_state=random).explain_instance(
        faces[0].permute(1, 2, 0).double().numpy(),
        probabilities,
        labels=(1,),
        top_labels=None,
        hide_color=0,
        num_samples=150,
        segmentation_fn=partial(slic, n_segments=12, compactness=20, start_label=0),
        random_seed=1,
    )
    raw = np.zeros(faces.shape[2:])
    for place, weight in explanation.local_exp[1]:
        raw[explanation.segments == place] = max(weight, 0)
    expected = (raw - raw.min()) / np.ptp(raw)
    np.testing.assert_allclose(lime(box, request, parts, 150).maps[0].numpy(), expected, atol=1e-4)


def test_the_map_equals_a_slow_one() -> None:
    net, faces = CornerNet(), smooth_faces(2, seed=4)
    request, parts = request_for(faces), tiles(faces, 3, 4)
    found = lime(box_of(net), request, parts, 80)
    for face, labels, count, seed, own in zip(
        faces, parts.labels, parts.counts, request.seeds, found.maps, strict=True
    ):
        rows, answers, weights = [], [], []
        for shown in draw(80, count, seed):
            copy = face.clone()
            for place in range(count):
                if not shown[place]:
                    copy[:, labels == place] = 0.0
            answers.append(float(net(copy[None]).softmax(1)[0, 1]))
            rows.append([1.0, *shown.astype(float)])
            similarity = sum(shown) / (np.sqrt(sum(shown)) * np.sqrt(count)) if any(shown) else 0.0
            weights.append(kernel(np.array(1 - similarity)))
        # The penalty as further rows: one for each coefficient, none for the intercept.
        root = np.sqrt(np.array(weights))[:, None]
        design = np.concatenate([np.array(rows) * root, np.eye(count + 1)[1:]])
        wanted = np.concatenate([np.array(answers) * root[:, 0], np.zeros(count)])
        coefficients = np.linalg.lstsq(design, wanted, rcond=None)[0][1:]
        raw = np.maximum(coefficients, 0)[labels.numpy()]
        np.testing.assert_allclose(own.numpy(), (raw - raw.min()) / np.ptp(raw), atol=1e-4)


def test_the_fit_is_told_and_is_perfect_for_a_net_that_is_a_sum_over_superpixels() -> None:
    faces = smooth_faces(1)
    parts = superpixels(faces, 12)
    size = torch.bincount(parts.labels[0].flatten()).double()

    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = [(x[:, :, parts.labels[0] == place] > 0).double().mean((1, 2)) for place in range(len(size))]
            score = 0.1 + 0.8 * torch.stack(seen, 1) @ (size / size.sum())
            return torch.stack([1 - score, score, 0 * score], 1)

    box = BlackBox(target_of(Sum(), output="probabilities"), 64)
    found = lime(box, request_for(faces), parts, 2500)
    assert float(found.facts["surrogate_r2"][0]) > 0.999
    weights = found.maps[0].double()
    expected = (size - size.min()) / (size.max() - size.min())
    torch.testing.assert_close(weights, expected[parts.labels[0]], atol=0.05, rtol=0)


def test_a_face_without_a_map_has_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> np.ndarray:
        raise AssertionError("nothing is to be fitted")

    monkeypatch.setattr(lime_module, "ridge", none)

    class Broken(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), 3), torch.inf)

    faces = smooth_faces(1)
    found = lime(box_of(Broken()), request_for(faces), tiles(faces, 2, 3), 30)
    assert found.problems == ("the model gives NaN or infinite values for 30 of 30 perturbed copies",)
    assert torch.isnan(found.facts["surrogate_r2"]).all()
